import type { Reporter, TestModule, TestRunEndReason, TestSuite, Vitest } from 'vitest/node'

/**
 * Ends a run with two plain lines for logs: the programs that were missing, with the number of tests that were skipped
 * without them, and `N passed, N failed, N skipped`. Files that cannot be loaded, hooks that throw and errors outside of
 * tests count as failed. The number is 0 exactly if the exit status is 0, because the line is printed when the process
 * ends.
 */
export default class ClosingLine implements Reporter {
  #passed = 0
  #failed = 0
  #skipped = 0
  /** Numbers of skipped tests by what they need. */
  readonly #missing = new Map<string, number>()

  onInit(vitest: Vitest): void {
    if (!vitest.config.watch) process.once('exit', (status) => this.#print(status))
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    this.#failed += errors.length
    for (const module of modules) {
      this.#failed += module.errors().length
      for (const suite of module.children.allSuites()) this.#failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') this.#passed++
        else if (state === 'failed') this.#failed++
        else {
          this.#skipped++
          this.#countMissing(test.parent, test.name)
        }
      }
    }
    if (reason === 'interrupted') console.log('\nThe run was interrupted.')
  }

  /** Counts a skipped test. What it needs is in the title of a group, which reference.ts makes. */
  #countMissing(parent: TestSuite | TestModule, name: string): void {
    const needs = /\(needs ([^)]+)\)$/.exec(name)?.[1]
    if (needs !== undefined) this.#missing.set(needs, (this.#missing.get(needs) ?? 0) + 1)
    else if (parent.type === 'suite') this.#countMissing(parent.parent, parent.name)
  }

  #print(status: number): void {
    const failed = status === 0 ? this.#failed : Math.max(this.#failed, 1)
    const missing = Array.from(this.#missing, ([needs, count]) => `${needs} (${count})`).sort()
    if (missing.length > 0) console.log(`\nTests were skipped because this machine lacks ${missing.join('; ')}.`)
    console.log(`\n${this.#passed} passed, ${failed} failed, ${this.#skipped} skipped`)
  }
}
