#!/bin/sh
# Run once by the database's image after deploy/postgres.sql: gives each login the password in its URL.
set -eu
for login in writer_login feed_login query_login migrator; do
  password=$(sed -E 's#^postgres://[^:]+:([A-Za-z0-9_-]+)@.*$#\1#' "/run/secrets/$login.url")
  # As standard input: an argument would show in the list of processes.
  printf "alter role chartwarden_%s password '%s';\n" "$login" "$password" | psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres
done
