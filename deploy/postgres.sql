-- What Chartwarden needs on a PostgreSQL server (15 or later), once, as a superuser:
--   psql -f deploy/postgres.sql postgres
-- Then give the four logins passwords (\password chartwarden_migrator, and so on). None of them may be a superuser; production refuses one.

-- Groups. They hold the privileges, which the migrations grant.
create role chartwarden_owner nologin;  -- owns the tables; for migrations only
create role chartwarden_append nologin; -- owns the append function; no login is a member
create role chartwarden_writer nologin; -- decides and appends
create role chartwarden_feed nologin;   -- reads every ledger in order, for the reports
create role chartwarden_query nologin;  -- reads the reports of one clinic at a time
grant chartwarden_append to chartwarden_owner;

-- Logins, with no privilege of their own.
create role chartwarden_migrator login in role chartwarden_owner;
create role chartwarden_writer_login login in role chartwarden_writer;
create role chartwarden_feed_login login in role chartwarden_feed;
create role chartwarden_query_login login in role chartwarden_query;

create database chartwarden owner chartwarden_owner;
revoke all on database chartwarden from public;
grant connect on database chartwarden to chartwarden_writer, chartwarden_feed, chartwarden_query;
