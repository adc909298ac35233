#!/bin/sh
# Makes what the profile kurrentdb of deploy/compose.yaml keeps in files, in the directory that make-secrets.sh made: an authority of the cluster's
# own, a certificate for each node, the passwords of its users admin and ops (nobody uses the second one, which would keep the one that everybody
# knows), and the connection string of the service. Needs openssl. Nodes trust each other by
# the authority and the common name; keep ca.key elsewhere once the certificates are made, and make new ones before two years are over.
set -eu
directory=${1:?usage: make-kurrentdb.sh DIRECTORY}/kurrentdb
umask 077
mkdir "$directory/node1" "$directory/node2" "$directory/node3" # fails where they exist: new certificates would lock the nodes out
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
openssl req -x509 -newkey rsa:3072 -nodes -sha256 -days 3650 -subj '/CN=Chartwarden KurrentDB' \
  -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
  -keyout "$directory/ca.key" -out "$scratch/ca.crt" 2>/dev/null
make_password() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
password=$(make_password)
ops_password=$(make_password)
for node in 1 2 3; do
  own=$directory/node$node
  openssl req -new -newkey rsa:3072 -nodes -subj '/CN=kurrentdb-node' -keyout "$own/node.key" -out "$scratch/node.csr" 2>/dev/null
  {
    echo 'basicConstraints=critical,CA:FALSE'
    echo 'keyUsage=critical,digitalSignature,keyEncipherment'
    echo 'extendedKeyUsage=serverAuth,clientAuth'
    echo "subjectAltName=DNS:kurrentdb$node,DNS:localhost,IP:127.0.0.1"
  } >"$scratch/node.ext"
  openssl x509 -req -sha256 -days 730 -in "$scratch/node.csr" -CA "$scratch/ca.crt" -CAkey "$directory/ca.key" -CAcreateserial \
    -extfile "$scratch/node.ext" -out "$own/node.crt" 2>/dev/null
  mkdir "$own/ca"
  cp "$scratch/ca.crt" "$own/ca/ca.crt"
  printf '%s' "$password" >"$own/admin.password"
  printf '%s' "$ops_password" >"$own/ops.password"
  # The directory above is closed to others; in its container, the node's account reads them.
  chmod 755 "$own" "$own/ca"
  chmod 444 "$own"/node.* "$own/ca/ca.crt" "$own"/*.password
done
cp "$scratch/ca.crt" "$directory/client/ca.crt"
printf 'kurrentdb://admin:%s@kurrentdb1:2113,kurrentdb2:2113,kurrentdb3:2113?tlsCAFile=/run/kurrentdb/ca.crt&nodePreference=leader\n' "$password" \
  >"$directory/client/url"
chmod 444 "$directory/client"/*
echo "Made the cluster's certificates in $directory. Set DEPLOY_KURRENTDB_URL=@/run/kurrentdb/url and start with --profile kurrentdb."
