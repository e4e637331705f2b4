# credentials: makes the S3 server's user and password at the first start, and ends.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}
RUN install -d -o 10001 -g 10001 -m 700 /credentials
COPY make_credentials.py /opt/make_credentials.py
USER 10001:10001
ENTRYPOINT ["python", "/opt/make_credentials.py"]
