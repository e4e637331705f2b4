#!/bin/sh
# Starts SeaweedFS in one process as the server of S3 on port 9000, for the user and the password in /credentials. Only
# that port asks for them; the others are for its own parts, and reach no further than the services' own network.
set -eu
AWS_ACCESS_KEY_ID=$(cat /credentials/user)
AWS_SECRET_ACCESS_KEY=$(cat /credentials/password)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
exec weed -logtostderr mini -dir=/var/lib/seaweedfs -ip=127.0.0.1 -ip.bind=0.0.0.0 \
    -s3.port=9000 -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false -s3.port.iceberg=0 \
    -s3.port.lance=0 -master.telemetry=false -webdav=false -admin.ui=false
