# s3: MinIO as an ordinary user. This is the last image that its makers published: newer servers come as source only. It
# misses security fixes, so it belongs on the services' own network; compose.seaweedfs.yml has a maintained server.
FROM minio/minio:RELEASE.2025-09-07T16-13-09Z
RUN mkdir /var/lib/minio && chown 10001:10001 /var/lib/minio
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 \
    CMD ["curl", "--fail", "--silent", "http://127.0.0.1:9000/minio/health/live"]
# It wants to make a folder for certificates, and can do so in /tmp alone.
CMD ["minio", "server", "/var/lib/minio", "--address", ":9000", "--certs-dir", "/tmp/certs"]
