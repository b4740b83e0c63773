# One image for every service of docker-compose.yml: the command chooses what it is.
# Packages are built in a stage of their own, so that the image carries neither pip's cache nor a compiler.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/greekstream
COPY constraints.txt pyproject.toml README.md ./
COPY schemas schemas
COPY pricers pricers
COPY streams streams
# Without the extra `broker`: Kafka has its own image. With `registry`, for SCHEMA_REGISTRY_URL, `cme` and `history`, for their files.
RUN /opt/greekstream/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[registry,cme,history]'

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home greekstream && mkdir /state && chown greekstream /state
COPY --from=build /opt/greekstream /opt/greekstream
COPY --chmod=755 docker/entrypoint.sh /usr/local/bin/entrypoint.sh
ENV PATH=/opt/greekstream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GREEKSTREAM_STATE_DIR=/state
USER greekstream
WORKDIR /state
VOLUME /state
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
CMD ["--help"]
