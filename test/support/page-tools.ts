/** The parts of vitest that suites of `ostree-ts/testing` need, for pages: tests are gathered and run one after another. */
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect'
import type { TestTools } from '../../src/testing/suites/kit.ts'

interface PageTest {
  readonly title: string
  readonly body: (...args: unknown[]) => unknown
  readonly args: readonly unknown[]
}

/** The result of all tests. */
export interface PageResult {
  readonly passed: number
  /** Titles and messages. */
  readonly failed: readonly string[]
}

/** Creates tools whose tests `runAll` runs. */
export function createPageTools(): { tools: TestTools; runAll: () => Promise<PageResult> } {
  for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin)
  const tests: PageTest[] = []
  const titles: string[] = []

  const describe = (title: string, body: () => void): void => {
    titles.push(title)
    body()
    titles.pop()
  }
  const add = (title: string, body: PageTest['body'], args: readonly unknown[]): void => {
    tests.push({ title: [...titles, title, ...args.map((arg) => JSON.stringify(arg))].join(' > '), body, args })
  }
  // Options, such as a timeout, may stand before or after the function.
  const test = (title: string, ...rest: unknown[]): void => {
    add(title, rest.find((one) => typeof one === 'function') as PageTest['body'], [])
  }
  const each = (cases: readonly unknown[]) => (title: string, body: PageTest['body']) => {
    for (const one of cases) add(title, body, Array.isArray(one) ? one : [one])
  }
  const expect = Object.assign((value: unknown, message?: string) => chai.expect(value, message), chai.expect)

  const runAll = async (): Promise<PageResult> => {
    const failed: string[] = []
    for (const { title, body, args } of tests) {
      try {
        await body(...args)
      } catch (error) {
        failed.push(`${title}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return { passed: tests.length - failed.length, failed }
  }
  const tools = { describe, test: Object.assign(test, { each }), expect } as unknown as TestTools
  return { tools, runAll }
}
