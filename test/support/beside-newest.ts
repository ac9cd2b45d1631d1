/** Shell commands with the newest release of ostree and with `ostree-ts`, whose output and files are compared as bytes. */
import { expect } from 'vitest'
import { BuiltCommand, spawn } from './built-command.ts'
import { NEWEST_OSTREE, run } from './reference.ts'
import { temporaryFolder } from './temporary.ts'

/** Lists the files of the directory with their contents, but neither the objects of repositories nor their `tmp`. */
const LIST = 'find . -name objects -prune -o -name tmp -prune -o -type f -print0 | sort -z | LC_ALL=C xargs -0r cksum'

export class BesideNewest {
  readonly place: string
  /** What starts `ostree-ts` in a shell script. */
  readonly ours: string
  readonly #variables: string

  private constructor(place: string, ours: string, variables: string) {
    this.place = place
    this.ours = ours
    this.#variables = variables
  }

  /**
   * Builds the command, and makes the directory that each command gets a copy of.
   * @param setup a script that is run in this directory
   * @param variables assignments that precede each command
   */
  static async create(setup: string, variables = ''): Promise<BesideNewest> {
    const place = temporaryFolder('disk')
    const { shellCommand } = await BuiltCommand.build()
    run('sh', ['-e', '-c', `${variables}\nmkdir base; cd base; ${setup}`], { cwd: place })
    return new BesideNewest(place, shellCommand, variables)
  }

  /** Runs a command with both programs. @param words a script in which `$O` is the program */
  compare(words: string): void {
    const [theirs, found] = [NEWEST_OSTREE, this.ours].map((program) => this.#run(program, words))
    expect(found).toEqual(theirs)
  }

  #run(program: string, words: string): unknown {
    const script = `${this.#variables}
      O="${program.replaceAll("'", '')}"; rm -rf w; cp -a base w; cd w; { ${words}; echo "status $?"; } > ../out 2> ../err
      { ${LIST}; cat ../out ../err; } | od -An -c`
    return spawn('sh', ['-c', script], this.place)
  }
}
