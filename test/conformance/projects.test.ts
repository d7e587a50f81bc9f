import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Problem } from '#core/problems.ts'
import type { Store } from '#store/ports.ts'
import type { ProjectRecord } from '#store/projects-port.ts'
import { adapters, digestOf, key, keyEvent, revoke, type StoreUnderTest, until } from './store-adapters.ts'

const conflict = { code: 'store.conflict' }

function project(name: string, over: Partial<ProjectRecord> = {}): ProjectRecord {
  return {
    id: `proj_${name}`,
    name,
    description: 'für Тест 🔑',
    cidrs: ['10.0.0.0/8', '::1'],
    deniedCidrs: ['10.1.0.0/16'],
    metadata: { team: 'a' },
    version: 1,
    createdAt: 1_800_000_000_123,
    updatedAt: 1_800_000_000_123,
    ...over,
  }
}

for (const [name, start] of Object.entries(adapters)) {
  describe(`projects on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect({ timeoutMs: 20_000 }), database)
      })

    withStore('gives a project back as it was written; the default one is there from the start', async store => {
      await store.projects.insert(project('shop'), keyEvent('evt_1', 'project.created'))
      assert.deepEqual(await store.projects.find('proj_shop'), project('shop'))
      assert.deepEqual(await store.projects.findByName('shop'), project('shop'))
      assert.equal((await store.projects.find('proj_default'))?.name, 'default')
      assert.equal(await store.projects.find('proj_none'), undefined)
      assert.equal(await store.projects.findByName('none'), undefined)
      const page = (after?: string) => store.projects.list({ limit: 1, after, projects: null })
      assert.deepEqual([(await page())[0]?.name, (await page('default'))[0]?.name], ['default', 'shop'])
      assert.deepEqual(await page('shop'), [])
      const own = await store.projects.list({ limit: 9, projects: new Set(['proj_shop']) })
      assert.deepEqual(own, [project('shop')])
      assert.deepEqual(await store.projects.list({ limit: 9, projects: new Set() }), [])
    })

    withStore('has each name once, also after a change of name', async store => {
      await store.projects.insert(project('shop'), keyEvent('evt_1', 'project.created'))
      const twin = project('twin', { name: 'shop' })
      await assert.rejects(store.projects.insert(twin, keyEvent('evt_2', 'project.created')), conflict)
      await store.projects.insert(project('twin'), keyEvent('evt_3', 'project.created'))
      const rename = store.projects.change('proj_twin', () => ({
        set: { name: 'shop' },
        event: keyEvent('evt_4', 'project.updated'),
      }))
      await assert.rejects(rename, conflict)
      assert.deepEqual(await store.projects.find('proj_twin'), project('twin'))
    })

    withStore('changes what is named, counts the version and writes the event with it', async store => {
      await store.projects.insert(project('shop'), keyEvent('evt_1', 'project.created'))
      const set = { description: null, metadata: {}, updatedAt: 7 }
      const changed = await store.projects.change('proj_shop', before => {
        assert.deepEqual(before, project('shop'))
        return { set, event: keyEvent('evt_2', 'project.updated') }
      })
      assert.deepEqual(changed, project('shop', { ...set, version: 2 }))
      assert.deepEqual(await store.projects.find('proj_shop'), changed)
      assert.deepEqual(await store.projects.change('proj_shop', () => null), changed)
      assert.equal(await store.projects.change('proj_none', () => assert.fail()), undefined)
      assert.equal((await store.events.list({ limit: 9, type: 'project.updated' })).length, 1)
    })

    withStore('tells of new addresses of a project, and a key is found with them', async (store, database) => {
      const other = await database.connect({ timeoutMs: 20_000 })
      const told: unknown[] = []
      other.changes.subscribe(({ topic, subject }) => told.push([topic, subject]))
      await store.projects.insert(project('shop'), keyEvent('evt_1', 'project.created'))
      await store.keys.insert(key('key_1', { project: 'proj_shop' }), keyEvent('evt_2'))
      const lists = async () => (await other.keys.findByDigest(digestOf('key_1')))?.projectAddresses
      assert.deepEqual(await lists(), { allow: ['10.0.0.0/8', '::1'], deny: ['10.1.0.0/16'] })
      const change = (set: Partial<ProjectRecord>, event: string) =>
        store.projects.change('proj_shop', () => ({ set, event: keyEvent(event, 'project.updated') }))
      await change({ description: null, updatedAt: 6 }, 'evt_3')
      await change({ cidrs: null, updatedAt: 7 }, 'evt_4')
      assert.deepEqual(await lists(), { allow: null, deny: ['10.1.0.0/16'] })
      await change({ deniedCidrs: ['::/0'], updatedAt: 8 }, 'evt_5')
      assert.deepEqual(await lists(), { allow: null, deny: ['::/0'] })
      await until('both changes', () => told.length >= 2)
      const expected = project('shop', {
        cidrs: null,
        deniedCidrs: ['::/0'],
        description: null,
        updatedAt: 8,
        version: 4,
      })
      assert.deepEqual(await store.projects.find('proj_shop'), expected)
      assert.deepEqual(told, Array(2).fill(['project.changed', 'proj_shop']), 'not where its addresses stay')
    })

    withStore('removes a project with its revoked keys, and with nothing else', async store => {
      await store.projects.insert(project('shop'), keyEvent('evt_1', 'project.created'))
      for (const id of ['key_1', 'key_2']) {
        await store.keys.insert(key(id, { project: 'proj_shop' }), keyEvent(`evt_${id}`))
      }
      await store.keys.insert(key('key_3'), keyEvent('evt_key_3'))
      await revoke(store, 'key_1', 5, keyEvent('evt_2', 'key.revoked'))
      const refused = new Problem('project.not_deletable')
      const refuse = store.projects.remove('proj_shop', (found, unrevoked) => {
        assert.deepEqual([found.id, unrevoked], ['proj_shop', 1])
        throw refused
      })
      await assert.rejects(refuse, refused)
      assert.ok(await store.keys.find('key_1'))
      await revoke(store, 'key_2', 5, keyEvent('evt_3', 'key.revoked'))
      const remove = () => store.projects.remove('proj_shop', () => keyEvent('evt_4', 'project.deleted'))
      assert.equal(await remove(), true)
      assert.equal(await remove(), false)
      assert.equal(await store.projects.find('proj_shop'), undefined)
      assert.equal(await store.keys.findByDigest(digestOf('key_1')), undefined)
      assert.ok(await store.keys.findByDigest(digestOf('key_3')))
    })

    withStore('no key is minted into a project that goes at the same moment', async (store, database) => {
      const other = await database.connect({ timeoutMs: 20_000 })
      for (let n = 0; n < 10; n++) {
        const name = `p${n}`
        await store.projects.insert(project(name), keyEvent(`evt_${n}`, 'project.created'))
        const [removed, minted] = await Promise.allSettled([
          store.projects.remove(`proj_${name}`, (_, unrevoked) => {
            assert.equal(unrevoked, 0)
            return keyEvent(`evt_end_${n}`, 'project.deleted')
          }),
          other.keys.insert(key(`key_${n}`, { project: `proj_${name}` }), keyEvent(`evt_key_${n}`)),
        ])
        assert.notEqual(removed.status, minted.status, 'one of the two')
        const there = (await store.projects.find(`proj_${name}`)) !== undefined
        assert.equal((await store.keys.find(`key_${n}`)) !== undefined, there)
        if (minted.status === 'rejected') {
          assert.ok(['project.not_found', 'store.conflict'].includes(minted.reason.code), minted.reason)
        }
      }
    })
  })
}
