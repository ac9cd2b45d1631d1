// Compares zstd as runtimes without an encoder write it, by the optional package, with gzip at the level used for images,
// and with the program zstd. Times are those of whole processes; the line below each gives the compressed sizes.
//   node scripts/build.mjs && node bench/zstd.mjs [FILE [ROUNDS]]
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const [given, rounds = 3] = process.argv.slice(2)
const folder = temporaryFolder('/dev/shm/zstd')
const library = fileURLToPath(new URL('../dist/index.js', import.meta.url))
const file = given ?? `${folder}/sample.tar`

const ours = (kind, level) => ({
  command: [
    ...[process.execPath, '--input-type=module', '-e'],
    `const { createReadStream, createWriteStream } = await import('node:fs')
const { pipeline } = await import('node:stream/promises')
const { portablePlatform } = await import('${library}')
const from = createReadStream('${file}', { highWaterMark: 1 << 20 })
await pipeline(portablePlatform.compress('${kind}', from, { level: ${level} }), createWriteStream('${folder}/ours'))`,
  ],
})
const theirs = (command) => ({ command: ['sh', '-c', `${command} -c '${file}' > ${folder}/theirs`] })

try {
  if (given === undefined) spawnSync('sh', ['-c', `tar -C /usr/share/doc -cf - . | head -c 60000000 > ${file}`])
  const { size } = statSync(file)
  const kept = (path) => `${((100 * readFileSync(path).length) / size).toFixed(1)} %`
  for (const [name, left, right] of [
    ['level 1 / zstd -1', ours('zstd', 1), theirs('zstd -q -1')],
    ['level 3 / zstd -3', ours('zstd', 3), theirs('zstd -q -3')],
    ['level 3 / gzip -6', ours('zstd', 3), theirs('gzip -6')],
  ]) {
    race(name, left, right, Number(rounds))
    console.log(`  ${kept(`${folder}/ours`)} of ${size} bytes, ${kept(`${folder}/theirs`)}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
