/** Makes the man pages: one of the program, and one of each group and each command. Source: man(7), groff_man(7). */
import { PACKAGE_VERSION } from '../version.ts'
import type { CommandNode, ShownOption } from './command-tree.ts'

/** The name of the page of a command: `ostree-ts-container-image-pull`. */
function pageOf({ path }: Pick<CommandNode, 'path'>): string {
  return ['ostree-ts', ...path].join('-')
}

/** Escapes a text for roff. A line must not begin with a dot or an apostrophe, which would make it a request. */
function roff(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...')
  return /^[.']/.test(plain) ? `\\&${plain}` : plain
}

function optionLines({ name, short, arg, type, help = '' }: ShownOption): string[] {
  const value = type === 'flag' ? '' : `=\\fI${roff(arg ?? 'VALUE')}\\fR`
  const letter = short === undefined ? '' : `\\fB\\-${roff(short)}\\fR, `
  return ['.TP', `${letter}\\fB\\-\\-${roff(name)}\\fR${value}`, roff(help.trim() === '' ? 'See ostree(1).' : help)]
}

function pageText(node: CommandNode, parent: CommandNode | undefined): string {
  const words = ['ostree-ts', ...node.path].join(' ')
  const related = [...(parent === undefined ? [] : [parent]), ...node.members]
  const usage = node.usage === '' ? '' : ` ${roff(node.usage)}`
  return [
    `.TH ${roff(pageOf(node).toUpperCase())} 1 "" "${roff(`ostree-ts ${PACKAGE_VERSION}`)}" "User Commands"`,
    '.SH NAME',
    `${roff(pageOf(node))} \\- ${roff(node.summary)}`,
    '.SH SYNOPSIS',
    `\\fB${roff(words)}\\fR [\\fIOPTION\\fR...]${usage}`,
    ...(node.members.length === 0 ? [] : ['.SH COMMANDS']),
    ...node.members.flatMap((member) => ['.TP', `\\fB${roff(member.path.at(-1) ?? '')}\\fR`, roff(member.summary)]),
    '.SH OPTIONS',
    ...node.options.flatMap(optionLines),
    '.SH SEE ALSO',
    [...related.map((other) => `\\fB${roff(pageOf(other))}\\fR(1)`), '\\fBostree\\fR(1)'].join(',\n'),
    '',
  ].join('\n')
}

/** Returns the texts of all pages by their file names, `ostree-ts-ls.1`. */
export function manPages(program: CommandNode): Map<string, string> {
  const pages = new Map<string, string>()
  const add = (node: CommandNode, parent: CommandNode | undefined): void => {
    pages.set(`${pageOf(node)}.1`, pageText(node, parent))
    for (const member of node.members) add(member, node)
  }
  add(program, undefined)
  return pages
}
