/**
 * Parses and formats boot loader entries. A line is a key, space, and a value.
 *
 * ```
 * title Example OS 42 (ostree:0)
 * version 1
 * options root=UUID=… ostree=/ostree/boot.1/NAME/CHECKSUM/0
 * linux /ostree/NAME-CHECKSUM/vmlinuz-5.10.18
 * initrd /ostree/NAME-CHECKSUM/initramfs-5.10.18.img
 * ```
 *
 * Source: ostree-bootconfig-parser.c; ostree-kernel-args.c.
 */

/** Keys that are written first, in this order; other keys follow in the order of the map. */
const KEY_ORDER = ['title', 'version', 'options', 'devicetree', 'linux', 'initrd']

/** Values of a boot loader entry by key. */
export type BootEntry = ReadonlyMap<string, string>

/** Parses the text of an entry; lines without a key and a value are skipped. */
export function parseBootEntry(text: string): BootEntry {
  const entry = new Map<string, string>()
  for (const line of text.split('\n')) {
    const found = /^([A-Za-z][^\s]*)[ \t]+(.*)$/.exec(line)
    if (found?.[1] !== undefined) entry.set(found[1], found[2] ?? '')
  }
  return entry
}

/** Formats an entry as the text of its file. */
export function formatBootEntry(entry: BootEntry): string {
  const others = [...entry.keys()].filter((key) => !KEY_ORDER.includes(key))
  const keys = [...KEY_ORDER.filter((key) => entry.has(key)), ...others]
  return keys.map((key) => `${key} ${entry.get(key)}\n`).join('')
}

/** Splits kernel arguments at spaces, except within double quotes. */
export function splitKernelArgs(options: string): string[] {
  return options.match(/(?:"[^"]*"|[^\s"])+/g) ?? []
}

/** Returns the value of the last argument with the given name. */
export function kernelArg(args: readonly string[], name: string): string | undefined {
  return args.findLast((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** Replaces all arguments with the given name by one, at the place of the first, or appends it. */
export function withKernelArg(args: readonly string[], name: string, value: string): string[] {
  const at = args.findIndex((arg) => arg.startsWith(`${name}=`))
  const kept = args.filter((arg, i) => i === at || !arg.startsWith(`${name}=`))
  if (at < 0) return [...kept, `${name}=${value}`]
  return kept.map((arg, i) => (i === at ? `${name}=${value}` : arg))
}

/** Removes all arguments with the given name. */
export function withoutKernelArg(args: readonly string[], name: string): string[] {
  return args.filter((arg) => !arg.startsWith(`${name}=`))
}
