#!/bin/bash
# Gives the relay a login with the rights of a relay and a viewer, or a new password if it is there.
set -euo pipefail
psql --quiet --set=ON_ERROR_STOP=1 --set="password=$RELAY_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE relay LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'relay') \gexec
ALTER ROLE relay PASSWORD :'password';
GRANT oncebox_relay, oncebox_viewer TO relay;
SQL
