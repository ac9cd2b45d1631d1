import { beforeAll, expect, test } from 'vitest'
import { BuiltCommand, type RunResult, spawn } from '../support/built-command.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

/** Removes what differs between versions of ostree: the order of refs, the lines of help, and the version number. */
function comparable({ rc, stdout, stderr }: RunResult): RunResult {
  const plain = (text: string) => text.replace(/^( +-| {2}\S+ {2,}).*\n/gm, '').replace(/'\d+\.\d+'/, '')
  return { rc, stdout: plain(stdout).split('\n').sort().join('\n'), stderr: plain(stderr) }
}

describeReference('ostree', 'the command line of `ostree-ts` and of `ostree`', () => {
  const place = temporaryFolder('disk')
  let ours: BuiltCommand
  beforeAll(async () => {
    ours = await BuiltCommand.build()
    run('sh', ['-e', '-c', 'mkdir -p t/a; echo f > t/a/f; ostree init --repo=r --mode=archive'], { cwd: place })
    run('ostree', ['commit', '--repo=r', '-b', 'main', '--timestamp=@1', 't'], { cwd: place })
  })

  test.each([
    'refs --repo r',
    '--repo=r refs',
    '--repo r refs',
    '--repo=r -- refs',
    '-- refs --repo=r',
    'refs -- --repo=r',
    'refs --repo=',
    'refs',
    'refs --repo',
    'refs --repo=r --list=no',
    'refs --repo=r --verbose=no',
    'rev-parse --repo=r --single=',
    'rev-parse --repo=r main -- -x',
    'rev-parse --repo=r - main',
    'ls --repo=r -dRC main',
    'ls --repo=r -Rd main',
    'ls --repo=r -Rx main',
    'ls --repo=r -R=main',
    'ls --repo=r -? main',
    'ls --repo=r -dh main',
    'ls --repo=r -xh main',
    'ls --repo=r --help-all main',
    'ls --repo=r --help-none main',
    'ls --repo=r --help=x main',
    'ls --repo=r --toString main',
    'commit --repo=r --orphan -se subject t --timestamp=@2',
    'commit --repo=r --orphan -Is subject t --timestamp=@2',
    'commit --repo=r --orphan -sI subject t --timestamp=@2',
    'commit --repo=r --orphan -sm subject t --timestamp=@2',
    'commit --repo=r --orphan -ssubject t --timestamp=@2',
    'commit --repo=r --orphan -s=x t --timestamp=@2',
    'commit --repo=r --orphan t --timestamp=@2 -s',
    'commit --repo=r --orphan t --subject --body --timestamp=@2',
    'commit --repo=r --orphan t --subject -- --timestamp=@2',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=010',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=0x1F',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=08',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=-0',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=+3',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=',
    'commit --repo=r --orphan t --timestamp=@2 --owner-uid=4294967296',
    'remote list -- --repo=r',
    'remote -- list --repo=r',
    'remote --repo=r list',
    'static-delta -- list --repo=r',
    'static-delta list -- --repo=r',
    'static-delta --repo=r list',
    '--version nope',
    'refs --version=no',
  ])('both print the same for `%s`', (words) => {
    // Commands without a repository use one that does not exist.
    const env = { EDITOR: 'true', OSTREE_REPO: 'nowhere' }
    const theirs = spawn('ostree', words.split(' '), place, '', env)
    const found = comparable(ours.run(words.split(' '), place, '', env))
    const isVersion = words.includes('--version')
    expect(isVersion ? { ...found, stdout: '' } : found).toEqual(
      comparable(isVersion ? { ...theirs, stdout: '' } : theirs),
    )
  })

  test.each(['stat -c %a', 'false', 'exit 3 #'])('both give the editor %s the same file', (editor) => {
    const words = ['commit', '--repo=r', '-e', '-b', 'edited', '--timestamp=@0', 't']
    const env = { EDITOR: editor, TERM: 'xterm' }
    expect(comparable(ours.run(words, place, '', env))).toEqual(comparable(spawn('ostree', words, place, '', env)))
  })

  test.each(['nowhere', 't', 'r', 'unset', 'broken', 'blank'])(
    'both use the repository of the variable OSTREE_REPO: %s',
    (named) => {
      run('sh', ['-c', 'rm -rf unset broken; cp -a r unset; rm unset/config; cp -a r broken; echo x > broken/config'], {
        cwd: place,
      })
      const env = { OSTREE_REPO: named === 'blank' ? '' : named }
      for (const words of [
        ['log', 'main'],
        ['log', `--repo=${named}`, 'main'],
      ]) {
        expect(comparable(ours.run(words, place, '', env))).toEqual(comparable(spawn('ostree', words, place, '', env)))
      }
    },
  )

  test.each([
    ['rev-parse', '$X'],
    ['log', '$X'],
    ['ls', '$X'],
    ['ls', 'main', '$X'],
    ['show', '$X'],
    ['cat', 'main', '$X'],
    ['checkout', '$X'],
    ['refs', '$X'],
    ['refs', '--delete', '$X'],
    ['reset', '$X', 'main'],
    ['reset', 'main', '$X'],
    ['commit', '-b', '$X', 't'],
    ['commit', '-b', 'x', '--parent=$X', 't'],
    ['refs', '--create=$X', 'main'],
  ])('both print the bytes of an argument that is not UTF-8: %s %s', (command, ...args) => {
    const words = (program: string) => {
      const given = args.map((arg) => `"${arg}"`).join(' ')
      return `cd '${place}' && X=$(printf 'a\\377b') && ${program} ${command} --repo=r ${given} 2>&1 | od -An -c`
    }
    expect(spawn('sh', ['-c', words(ours.shellCommand)], place)).toEqual(spawn('sh', ['-c', words('ostree')], place))
  })

  test('both print the bytes of a file name that is not UTF-8', () => {
    const words = (program: string) =>
      `cd '${place}' && rm -rf bytes && mkdir bytes && : > "bytes/$(printf 'bad\\377')" &&
       ${program} commit --repo=r --orphan bytes 2>&1 | od -An -c`
    const theirs = spawn('sh', ['-c', words('ostree')], place)
    expect(theirs.stdout).toContain('377')
    expect(spawn('sh', ['-c', words(ours.shellCommand)], place)).toEqual(theirs)
  })

  test('a ref that is not UTF-8 is refused by `pull-local`, at which ostree 2022.7 crashes', () => {
    for (const ref of ['$X', 'x:$X', 'main@$X']) {
      const words = `cd '${place}' && X=$(printf 'a\\377b') && ${ours.shellCommand} pull-local --repo=r r "${ref}"`
      expect(spawn('sh', ['-c', words], place)).toEqual({
        rc: 1,
        stdout: '',
        stderr: 'error: Invalid ref name: not valid UTF-8\n',
      })
    }
  })

  test('an argument that is not UTF-8 is refused', () => {
    const words = (program: string) => `cd '${place}' && ${program} commit --repo=r --orphan -s "$(printf 'a\\377')" t`
    const theirs = spawn('sh', ['-c', words('ostree')], place)
    expect(theirs).toEqual({ rc: 1, stdout: '', stderr: 'error: Invalid byte sequence in conversion input\n' })
    expect(spawn('sh', ['-c', words(ours.shellCommand)], place)).toEqual(theirs)
    expect(ours.run(['refs', '--repo=r', 'a\ufffdb'], place)).toEqual(
      spawn('ostree', ['refs', '--repo=r', 'a\ufffdb'], place),
    )
  })
})
