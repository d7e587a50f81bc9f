import { mkdtempSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { chatAnswer } from './bodies.ts'
import { scratch } from './processes.ts'

/** What nginx and HAProxy compare the bearer token against: as long as a key of the gateway. */
export const proxyKey = 'sk_test_BenchBenchBenchBenchBenchBenchBench0123456'

const upstreamCredential = 'upstream-credential-of-the-bench'

/** A plain reverse proxy with kept connections to the upstream, one worker; a wrong key is 401. */
export function nginxConfig(port: number, upstreamPort: number): string {
  const directory = mkdtempSync(join(scratch, 'nginx-'))
  return write(
    directory,
    `
daemon off;
worker_processes 1;
user ${userInfo().username};
pid ${directory}/pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 1m;
  client_body_buffer_size 256k;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  map_hash_bucket_size 128;
  map $http_authorization $known { default 0; "Bearer ${proxyKey}" 1; }
  upstream static { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      if ($known = 0) { return 401; }
      proxy_pass http://static;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer ${upstreamCredential}";
    }
  }
}`,
  )
}

/** A reverse proxy on one thread that reuses connections to the upstream; a wrong key is 401. */
export function haproxyConfig(port: number, upstreamPort: number): string {
  return write(
    mkdtempSync(join(scratch, 'haproxy-')),
    `
global
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout connect 5s
  timeout server 30s
frontend callers
  bind 127.0.0.1:${port}
  acl known req.hdr(authorization) -m str "Bearer ${proxyKey}"
  http-request deny deny_status 401 unless known
  http-request set-header Authorization "Bearer ${upstreamCredential}"
  default_backend upstream
backend upstream
  http-reuse always
  server static 127.0.0.1:${upstreamPort}
`,
  )
}

/**
 * The static upstream: HAProxy with a buffer that holds the largest body, because it must have read a body whole before
 * it answers, as a provider would, and cost less than any peer.
 */
export function upstreamConfig(port: number): string {
  const directory = mkdtempSync(join(scratch, 'upstream-'))
  writeFileSync(join(directory, 'answer.json'), chatAnswer)
  return write(
    directory,
    `
global
  nbthread 1
  tune.bufsize 262144
defaults
  mode http
  timeout client 600s
  timeout connect 5s
  timeout server 30s
frontend static
  bind 127.0.0.1:${port}
  option http-buffer-request
  http-request return status 200 content-type application/json file ${directory}/answer.json
`,
  )
}

function write(directory: string, text: string): string {
  const file = join(directory, 'config')
  writeFileSync(file, text)
  return file
}
