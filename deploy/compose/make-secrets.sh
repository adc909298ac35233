#!/bin/sh
# Makes what deploy/compose.yaml keeps in files: a password for each login of the database, within the URL the service uses, a password each
# for the database's and Grafana's administrators, and the master key. Keep a copy of master.key apart from the database and its backups.
set -eu
directory=${1:?usage: make-secrets.sh DIRECTORY}
umask 077
mkdir "$directory" # fails where it exists: a second key would lock the first one's data
random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
password() { random | tr '+/' '-_' | tr -d '='; }
for login in writer_login feed_login query_login migrator; do
  printf 'postgres://chartwarden_%s:%s@postgres:5432/chartwarden\n' "$login" "$(password)" >"$directory/$login.url"
done
password >"$directory/postgres.password"
password >"$directory/grafana.password"
random >"$directory/master.key"
mkdir -p "$directory/tls" "$directory/witness" "$directory/kurrentdb/client"
# The directory is closed to others; in a container, the accounts of the services read single files.
chmod 444 "$directory"/*.*
chmod 755 "$directory/tls" "$directory/witness" "$directory/kurrentdb/client"
echo "Made $directory. Put tls.crt and tls.key into $directory/tls, readable (chmod 444)."
