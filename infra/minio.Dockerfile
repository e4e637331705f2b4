# s3: MinIO as an ordinary user. This is the last image that its makers published, which lives on at Quay: newer servers
# come as source only. It misses security fixes, so it belongs on the services' own network; compose.seaweedfs.yml has a
# maintained server.
ARG MINIO_IMAGE=quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z@sha256:14cea493d9a34af32f524e538b8346cf79f3321eff8e708c1e2960462bd8936e
FROM ${MINIO_IMAGE}
RUN mkdir /var/lib/minio /credentials && chown 10001:10001 /var/lib/minio /credentials && chmod 700 /credentials
USER 10001:10001
ENV MINIO_ROOT_USER_FILE=/credentials/user MINIO_ROOT_PASSWORD_FILE=/credentials/password MINIO_BROWSER=off
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 \
    CMD ["curl", "--fail", "--silent", "http://127.0.0.1:9000/minio/health/live"]
# It wants to make a folder for certificates, and can do so in /tmp alone.
CMD ["minio", "server", "/var/lib/minio", "--address", ":9000", "--certs-dir", "/tmp/certs"]
