/** Temporary folders of scripts and benchmarks whose process is killed. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { Child } from '../child-process.ts'
import { temporaryFolder } from '../temporary.ts'

const MODULE = pathToFileURL(join(import.meta.dirname, '../../../scripts/temporary.mjs')).href
const folder = temporaryFolder()

/** Starts a process that makes a temporary folder, and waits until it has. */
async function start(then: string): Promise<Child> {
  const source = `import { temporaryFolder } from '${MODULE}'
    import { writeFileSync } from 'node:fs'
    writeFileSync(temporaryFolder('${folder}/bench') + '/file', '')
    console.log('made')
    ${then}`
  const child = new Child(['--input-type=module', '-e', source])
  expect(await child.nextLine()).toBe('made')
  return child
}

test('a folder is removed at the end of the process, and when it is interrupted', async () => {
  await (await start('')).ended
  expect(readdirSync(folder)).toEqual([])
  const ended = await (await start("process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)")).ended
  expect(ended.code).toBe(143)
  expect(readdirSync(folder)).toEqual([])
})

test('the folder of a process that was killed is removed by the next one, and that of a running one is not', async () => {
  const running = await start('setInterval(() => {}, 1000)')
  await (await start('setInterval(() => {}, 1000)')).kill()
  expect(readdirSync(folder)).toHaveLength(2)
  await (await start('')).ended
  expect(readdirSync(folder)).toHaveLength(1)
  await running.kill()
  await (await start('')).ended
  expect(readdirSync(folder)).toEqual([])
})
