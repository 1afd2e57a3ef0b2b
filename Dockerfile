# npsloop from this checkout: `docker build -t npsloop .`
FROM python:3.13.11-slim-bookworm AS build
RUN python -m venv /opt/npsloop
WORKDIR /src
COPY requirements.txt .
RUN /opt/npsloop/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY . .
RUN /opt/npsloop/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13.11-slim-bookworm
COPY --from=build /opt/npsloop /opt/npsloop
ENV PATH=/opt/npsloop/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /etc/npsloop
USER 1000:1000
EXPOSE 8025
ENTRYPOINT ["npsloop"]
CMD ["--help"]
