import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '#core/secret.ts'
import { signS3 } from './sigv4.ts'

// Examples of the Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header", in one chunk.
const credentials = {
  region: 'us-east-1',
  accessKeyId: new Secret('AKIAIOSFODNN7EXAMPLE'),
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
}
const host = 'examplebucket.s3.amazonaws.com'
const at = Date.UTC(2013, 4, 24)

test('signs as in Amazon’s example of an object that is put', () => {
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' }
  const signed = signS3(
    { method: 'PUT', host, path: '/test$file.text', headers, body: 'Welcome to Amazon S3.' },
    credentials,
    at,
  )
  assert.equal(signed.path, '/test%24file.text')
  assert.equal(
    signed.headers['x-amz-content-sha256'],
    '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
  )
  assert.equal(
    signed.headers.authorization,
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  )
})

test('signs as in Amazon’s example of an object that is read', () => {
  const signed = signS3(
    { method: 'GET', host, path: '/test.txt', headers: { range: 'bytes=0-9' }, body: '' },
    credentials,
    at,
  )
  assert.equal(signed.headers['x-amz-date'], '20130524T000000Z')
  assert.equal(
    signed.headers.authorization,
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

test('signs as botocore 1.43.107 does, for a port, a path of several segments, and another secret', () => {
  const headers = { 'content-type': 'application/json', 'if-none-match': '*' }
  const { headers: signed } = signS3(
    {
      method: 'PUT',
      host: 'store.example:9000',
      path: '/anchors/a~b/checkpoint-000000000001.json',
      headers,
      body: '{"seq":1}\n',
    },
    { region: 'eu-central-1', accessKeyId: new Secret('AKID'), secretAccessKey: new Secret('s3cr3t/+key') },
    Date.UTC(2026, 0, 31, 12, 34, 56),
  )
  assert.match(signed.authorization as string, /=73530dfe70387c8513ad867c589ba0972cf1d2a07254ef0e4aad9f9ef38f77c8$/)
})
