import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, readAll, toHex } from '../../../src/bytes.ts'
import { DirMeta, type FileHeader, type FileObject } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  commitRoot,
  createMemoryStorage,
  imaSign,
  MutableTree,
  Repo,
  walkTree,
  writeCommit,
  writeTree,
} from '../../../src/repo/index.ts'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const FILE = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
const IMA = encodeUtf8('security.ima')

async function fixture(): Promise<{ repo: Repo; commit: Checksum }> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  const commit = await repo.transaction(async (tx) => {
    const root = new MutableTree()
    root.setMeta(await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] })))
    const write = (text: string, xattrs: FileHeader['xattrs'] = []) =>
      tx.writeFile({ header: { ...FILE, xattrs }, size: text.length, body: encodeUtf8(text) })
    const sub = root.ensureDir('sub')
    sub.setMeta(root.meta as Checksum)
    root.replaceFile('a', await write('same'))
    sub.replaceFile('b', await write('same'))
    root.replaceFile('done', await write('done', [[IMA, Uint8Array.of(9)]]))
    root.replaceFile('more', await write('more', [[encodeUtf8('user.z'), Uint8Array.of(1)]]))
    root.replaceFile(
      'link',
      await tx.writeFile({ header: { ...FILE, mode: 0o120777, target: 'a' }, size: 0, body: new Uint8Array(0) }),
    )
    return writeCommit(tx, { root: await writeTree(tx, root), timestamp: 7n, subject: 's' })
  })
  return { repo, commit }
}

async function xattrsOf(repo: Repo, commit: Checksum): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {}
  for await (const entry of walkTree(repo.objects, await commitRoot(repo.objects, commit))) {
    if (entry.kind !== 'file') continue
    const { header } = await repo.objects.readFile(entry.checksum)
    found[entry.path] = header.xattrs.map(([name, value]) => `${new TextDecoder().decode(name)}=${toHex(value)}`)
  }
  return found
}

describe('imaSign', () => {
  test('every file has a signature of its content, and the commit is otherwise the same', async () => {
    const { repo, commit } = await fixture()
    const asked: string[] = []
    const sign = async ({ body }: FileObject) => {
      const content = body instanceof Uint8Array ? body : await readAll(body)
      asked.push(new TextDecoder().decode(content))
      return content.slice(0, 1)
    }
    const signed = await imaSign(repo, commit, sign)
    expect(asked.sort()).toEqual(['more', 'same'])
    expect(await xattrsOf(repo, signed)).toEqual({
      '/a': ['security.ima=73'],
      '/done': ['security.ima=09'],
      '/link': [],
      '/more': ['security.ima=6d', 'user.z=01'],
      '/sub/b': ['security.ima=73'],
    })
    const { rootTree: _, ...before } = await repo.readCommit(commit)
    expect(await repo.readCommit(signed)).toMatchObject(before)
    const again = await imaSign(repo, signed, sign, { overwrite: true })
    expect((await xattrsOf(repo, again))['/done']).toEqual(['security.ima=64'])
    expect(await imaSign(repo, again, () => Promise.reject(new Error('asked again')))).toBe(again)
  })

  test('an error of the signer is thrown', async () => {
    const { repo, commit } = await fixture()
    await expect(imaSign(repo, commit, () => Promise.reject(new Error('no key')))).rejects.toThrow('no key')
  })
})

describeReference(['ostree', 'getfattr'], '`ostree-ts ima-sign`', () => {
  const root = temporaryFolder()
  const path = process.env['PATH']
  const sign = (...more: string[]) =>
    runInProcess(['ima-sign', `--repo=${root}/repo`, 'main', 'signed', 'sha256', `${root}/key`, ...more], root)
  /** Writes a program with the name evmctl. */
  function put(script: string): void {
    writeFileSync(join(root, 'bin/evmctl'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(root, 'bin/evmctl'), 0o755)
  }
  beforeAll(() => {
    run(
      'sh',
      [
        '-e',
        '-c',
        `mkdir tree bin; echo hello > tree/hello; ostree --repo=repo init --mode=bare-user
      ostree --repo=repo commit -b main --no-xattrs --canonical-permissions --tree=dir=tree`,
      ],
      { cwd: root },
    )
  })
  afterAll(() => {
    process.env['PATH'] = path
  })

  test('it fails with an error that names evmctl if that is not installed', async () => {
    process.env['PATH'] = join(root, 'bin')
    const { status, stderr } = await sign()
    process.env['PATH'] = path
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'error: Signing for IMA needs the program evmctl (ima-evm-utils), which was not found\n',
    })
  })

  test('it runs evmctl for each file, and sets the ref to the signed commit', async () => {
    process.env['PATH'] = `${join(root, 'bin')}:${path}`
    put(`[ "$1" = --version ] && exit; echo "$@" >> ${root}/asked; for last; do :; done
      setfattr -n user.ima -v "0x03$(od -An -tx1 -N2 "$last" | tr -d ' ')" "$last"`)
    const { status, stdout, stderr } = await sign()
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const commit = run('ostree', ['--repo=repo', 'rev-parse', 'signed'], { cwd: root }).trim()
    expect(stdout).toBe(`signed => ${commit}\n`)
    expect(run('cat', ['asked'], { cwd: root })).toMatch(
      /^ima_sign --xattr-user --key \S+\/key --hashalgo sha256 \S+\n$/,
    )
    const listed = run('ostree', ['--repo=repo', 'ls', '-X', 'signed', '/hello'], { cwd: root })
    expect(listed).toContain("{ [(b'security.ima', [byte 0x03, 0x68, 0x65])] }")
    run('ostree', ['fsck', '--repo=repo'], { cwd: root })

    put('[ "$1" = --version ] && exit; echo no such key >&2; exit 3')
    expect(await sign('--overwrite')).toEqual({ status: 1, stdout: '', stderr: 'error: evmctl failed: no such key\n' })
    expect(run('ls', ['repo/tmp'], { cwd: root })).not.toContain('ima-')
    process.env['PATH'] = path
  })
})
