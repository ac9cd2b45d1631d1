/**
 * Keeps data out of argument lists. Arguments lie on the stack, so a call with about 120,000 of them fails with a
 * RangeError, `Maximum call stack size exceeded`: for a list that a repository or an image determines, that is a fault.
 */
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Functions of fast-check that take a list only in this way. The test kit calls them with lists of its own. */
const VARIADIC = ['fc.constantFrom', 'fc.tuple']

function programOf(files: readonly string[], options: ts.CompilerOptions, host?: ts.CompilerHost): ts.Program {
  return ts.createProgram({ rootNames: files, options, ...(host && { host }) })
}

function options(): ts.ParsedCommandLine {
  const host: ts.ParseConfigFileHost = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
    },
  }
  const parsed = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, { incremental: false }, host)
  if (parsed === undefined) throw new Error('tsconfig.json cannot be read')
  delete parsed.options.tsBuildInfoFile
  return parsed
}

/** Returns the calls of a file that pass a list of any length as arguments, each as `LINE: CALL`. */
function listsAsArguments(file: ts.SourceFile, checker: ts.TypeChecker): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && takesList(node, checker)) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
      found.push(`${line + 1}: ${node.getText(file).replaceAll(/\s+/g, ' ').slice(0, 80)}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function takesList(call: ts.CallExpression | ts.NewExpression, checker: ts.TypeChecker): boolean {
  const { expression, arguments: values = [] } = call
  if (VARIADIC.includes(expression.getText().replaceAll(/\s/g, ''))) return false
  if (values.some((value) => ts.isSpreadElement(value) && !isShort(value.expression, checker))) return true
  const list = listOfApply(expression, values, checker)
  return list !== undefined && !isShort(list, checker)
}

/** Returns the argument that `f.apply`, `Reflect.apply` or `Reflect.construct` passes on as a list of arguments. */
function listOfApply(
  callee: ts.Expression,
  values: readonly ts.Expression[],
  checker: ts.TypeChecker,
): ts.Expression | undefined {
  if (!ts.isPropertyAccessExpression(callee)) return undefined
  const method = callee.name.text
  if (callee.expression.getText() === 'Reflect') {
    return method === 'apply' ? values[2] : method === 'construct' ? values[1] : undefined
  }
  const isFunction = checker.getTypeAtLocation(callee.expression).getCallSignatures().length > 0
  return method === 'apply' && isFunction ? values[1] : undefined
}

/**
 * Returns whether a list has as many elements as its type or its text shows, or is the rest parameter of the function that
 * passes it on.
 */
function isShort(list: ts.Expression, checker: ts.TypeChecker): boolean {
  if (ts.isArrayLiteralExpression(list)) {
    return list.elements.every((element) => !ts.isSpreadElement(element) || isShort(element.expression, checker))
  }
  const type = checker.getTypeAtLocation(list)
  const types = type.isUnion() ? type.types : [type]
  const isTuple = (each: ts.Type): boolean =>
    checker.isTupleType(each) && !((each as ts.TupleTypeReference).target as ts.TupleType).hasRestElement
  if (types.every(isTuple)) return true
  const declaration = checker.getSymbolAtLocation(list)?.valueDeclaration
  return declaration !== undefined && ts.isParameter(declaration) && declaration.dotDotDotToken !== undefined
}

test('No call in src passes a list of any length as its arguments.', () => {
  const { fileNames, options: settings } = options()
  const program = programOf(
    fileNames.filter((name) => name.startsWith(`${root}src/`)),
    settings,
  )
  const checker = program.getTypeChecker()
  const sources = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(`${root}src/`))
  expect(sources.length).toBeGreaterThan(400)
  const found = sources.flatMap((file) =>
    listsAsArguments(file, checker).map((call) => `${file.fileName.slice(root.length)}:${call}`),
  )
  expect(found).toEqual([])
})

test('The search finds every form of such a call, and accepts lists of a fixed length.', () => {
  const text = `
    declare const many: number[]
    declare const pair: readonly [number, number]
    declare const either: [number] | [number, number]
    declare const open: [number, ...number[]]
    declare function f(...all: readonly number[]): number
    many.push(...many)
    Math.max(0, ...many)
    Math.max(...open)
    f(...many.map((one) => one + 1))
    f(...[1, ...many])
    String.fromCharCode(...new Uint8Array(9))
    new Array(...many)
    new Set([...many])
    f.apply(null, many)
    Reflect.apply(f, null, many)
    Reflect.construct(Set, many)
    f(...pair)
    f(...either)
    f(...[1, 2, ...pair])
    f.apply(null, [1, 2])
    Reflect.construct(Set, [many])
    const pass = (...all: readonly number[]) => f(...all)
    const copy = [...many]
    const filter = { apply: (list: number[]) => list }
    filter.apply(many)
  `
  const { options: settings } = options()
  const host = ts.createCompilerHost(settings)
  const { getSourceFile } = host
  host.getSourceFile = (name, ...rest) =>
    name === '/example.ts'
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)
      : getSourceFile(name, ...rest)
  const program = programOf(['/example.ts'], { ...settings, types: [] }, host)
  const file = program.getSourceFile('/example.ts') as ts.SourceFile
  expect(listsAsArguments(file, program.getTypeChecker()).map((call) => call.replace(/^\d+: /, ''))).toEqual([
    'many.push(...many)',
    'Math.max(0, ...many)',
    'Math.max(...open)',
    'f(...many.map((one) => one + 1))',
    'f(...[1, ...many])',
    'String.fromCharCode(...new Uint8Array(9))',
    'new Array(...many)',
    'f.apply(null, many)',
    'Reflect.apply(f, null, many)',
    'Reflect.construct(Set, many)',
  ])
})
