import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { createDeployment, runProgram, startProcess } from '../support/process.ts'

let server: TestPostgres
before(async () => {
  server = await startPostgres()
})
after(() => server[Symbol.asyncDispose]())

for (const store of ['SQLite', 'PostgreSQL'] as const) {
  test(`ostiary migrate brings a new database on ${store} up to date, once, also where several run at once`, async () => {
    const url = store === 'SQLite' ? undefined : await server.createDatabase()
    using deployment =
      url === undefined
        ? createDeployment()
        : createDeployment('store: { kind: postgres, url: env:DATABASE_URL }\n', { DATABASE_URL: url })
    const all = await Promise.all([1, 2, 3].map(() => runProgram(deployment, ['migrate', '--json'])))
    const done = all.filter(({ code }) => code === 0)
    // The first one of all makes the data directory; who comes while it does is told that it is in use.
    for (const { code, stderr } of all) if (code !== 0) assert.match(stderr, /start\.data_directory_in_use/)
    const applied = done.map(({ stdout }) => JSON.parse(stdout).applied as string[]).filter(({ length }) => length > 0)
    assert.equal(applied.length, 1)
    assert.ok((applied[0] as string[]).includes('0001-keys-events-changes'))

    await using gateway = await startProcess(deployment)
    assert.notEqual(gateway.testKey, '', 'a first start')
    const beside = await runProgram(deployment, ['migrate'])
    assert.deepEqual([beside.code, beside.stdout], [0, 'The database is up to date.\n'], beside.stderr)
  })
}
