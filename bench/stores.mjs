// Measures writing and reading many small objects in each store: objects per second, and peak memory.
//
//   node bench/stores.mjs [--count=20000] [--size=4096] [--folder=/dev/shm] [--only=sqlite]
//
// Runs against dist/ (npm run build). Each store runs in a separate process with a heap of its own, and files of
// earlier rounds are removed outside the timed part.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    size: { type: 'string', default: '4096' },
    folder: { type: 'string', default: tmpdir() },
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    child: { type: 'string' },
  },
})
const count = Number(values.count)
const size = Number(values.size)

const { nodePlatform: platform } = await import('../dist/platform/node.js')

const stores = {
  memory: async () => {
    const { createMemoryStorage } = await import('../dist/repo/index.js')
    return createMemoryStorage({ platform, mode: 'bare-user-only' })
  },
  sqlite: async (folder) => {
    const { createSqliteStorage } = await import('../dist/repo/stores/sqlite/open.js')
    return createSqliteStorage(join(folder, 'bench.sqlite'), { platform, mode: 'bare-user-only' })
  },
  'sqlite-deflate': async (folder) => {
    const { createSqliteStorage } = await import('../dist/repo/stores/sqlite/open.js')
    return createSqliteStorage(join(folder, 'bench.sqlite'), { platform, compression: 'deflate' })
  },
  'fs-bare-user-only': async (folder) => {
    const { initFsStorage } = await import('../dist/repo/stores/fs/index.js')
    return initFsStorage(join(folder, 'repo'), { platform, mode: 'bare-user-only' })
  },
  'fs-archive': async (folder) => {
    const { initFsStorage } = await import('../dist/repo/stores/fs/index.js')
    return initFsStorage(join(folder, 'repo'), { platform, mode: 'archive' })
  },
}

if (values.child) await measure(values.child)
else {
  console.log(`${count} files of ${size} bytes in ${values.folder}; objects per second, peak resident memory`)
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of Object.keys(stores)) {
      if (values.only && !name.includes(values.only)) continue
      const args = [`--count=${count}`, `--size=${size}`, `--folder=${values.folder}`, `--child=${name}`]
      spawnSync(process.execPath, [import.meta.filename, ...args], { stdio: 'inherit' })
    }
  }
}

async function measure(name) {
  const folder = temporaryFolder(join(values.folder, 'ostree-ts-bench'))
  try {
    const storage = await stores[name](folder)
    const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
    const noise = new Uint8Array(size + 65536).map((_, i) => Math.imul(i, 2654435761) >>> 24)
    const scratch = new Uint8Array(size)
    const numbered = new DataView(scratch.buffer)
    const body = (i) => {
      scratch.set(noise.subarray(i % 65536, (i % 65536) + size))
      numbered.setUint32(0, i)
      return scratch
    }

    const checksums = []
    const [write] = await timed(async () => {
      const tx = await storage.begin()
      for (let i = 0; i < count; i++) {
        const checksum = tx.writeFile({ header, size, body: body(i) })
        checksums.push(checksum instanceof Promise ? await checksum : checksum)
        if ((i & 255) === 0) await tx.drained()
      }
      await tx.commit()
    })
    const [again] = await timed(async () => {
      const tx = await storage.begin()
      for (let i = 0; i < count; i++) {
        const checksum = tx.writeFile({ header, size, body: body(i) })
        if (checksum instanceof Promise) await checksum
      }
      await tx.commit()
    })
    // Reads in an order that is neither that of writing nor that of the checksums.
    const [read] = await timed(async () => {
      for (let i = 0; i < count; i++) {
        const file = storage.objects.readFile(checksums[(i * 7919) % count])
        const { body } = file instanceof Promise ? await file : file
        if (body.length !== size) throw new Error('short')
      }
    })
    const [stat] = await timed(async () => {
      for (let i = 0; i < count; i++) {
        const file = storage.objects.statFile(checksums[(i * 7919) % count])
        if (file instanceof Promise) await file
      }
    })
    const [list] = await timed(async () => {
      let n = 0
      for await (const _ of storage.objects.list()) n++
      if (n !== new Set(checksums).size) throw new Error(`${n} listed`)
    })
    await storage[Symbol.asyncDispose]()
    const rate = (ms) => `${Math.round(count / ms)}k`.padStart(6)
    const peak = process.resourceUsage().maxRSS / 1024
    console.log(
      `${name.padEnd(18)} write${rate(write)}  again${rate(again)}  read${rate(read)}  stat${rate(stat)}  ` +
        `list${rate(list)}  ${peak.toFixed(0).padStart(5)} MiB`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function timed(work) {
  const start = performance.now()
  const result = await work()
  return [performance.now() - start, result]
}
