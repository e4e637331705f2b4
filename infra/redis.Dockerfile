# redis: Redis with this project's configuration, as the user redis.
ARG REDIS_IMAGE=redis:7-bookworm
FROM ${REDIS_IMAGE}
RUN install -d -o redis -g redis -m 700 /var/lib/redis
COPY redis.conf /etc/saescope/redis.conf
USER redis
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 CMD redis-cli ping | grep -qx PONG
ENTRYPOINT ["redis-server", "/etc/saescope/redis.conf"]
