import { describe, expect, test } from 'vitest'
import { FormatError, InvalidNameError, NotFoundError } from '../../src/errors.ts'
import { isKeyName, isTranslation, parseLine } from '../../src/keyfile/grammar.ts'
import { KeyFile } from '../../src/keyfile/index.ts'
import { parseBoolean, parseInteger, parseList, parseUint64, unescapeValue } from '../../src/keyfile/values.ts'

const CONFIG = `# the repository of the build server

[core]
repo_version=1
mode = bare-user

# where it all comes from
[remote "origin"]
url=https://example.com/repo
gpg-verify=false
branches=stable;testing;
name[de]=Herkunft
`

describe('KeyFile', () => {
  test('values are read by group and key', () => {
    const file = KeyFile.parse(CONFIG)
    expect(file.groups()).toEqual(['core', 'remote "origin"'])
    expect(file.keys('core')).toEqual(['repo_version', 'mode'])
    expect(file.getString('core', 'mode')).toBe('bare-user')
    expect(file.getInteger('core', 'repo_version')).toBe(1)
    expect(file.getBoolean('remote "origin"', 'gpg-verify')).toBe(false)
    expect(file.getList('remote "origin"', 'branches')).toEqual(['stable', 'testing'])
    expect(file.getString('remote "origin"', 'name[de]')).toBe('Herkunft')
    expect(file.has('core')).toBe(true)
    expect(file.has('core', 'nope')).toBe(false)
    expect(file.has('nope', 'mode')).toBe(false)
  })

  test('an edit leaves comments, order and all other keys alone', () => {
    const file = KeyFile.parse(CONFIG)
    file.set('remote "origin"', 'url', 'https://example.org/')
    file.remove('remote "origin"', 'gpg-verify')
    expect(file.toString()).toBe(
      // An empty line is written before a group header.
      CONFIG.replace('comes from\n', 'comes from\n\n')
        .replace('mode = bare-user', 'mode=bare-user')
        .replace('https://example.com/repo', 'https://example.org/')
        .replace('gpg-verify=false\n', ''),
    )
  })

  test('`keep: values` drops comments and empty lines, as libostree does when it edits a configuration', () => {
    expect(KeyFile.parse(CONFIG, 'config', { keep: 'values' }).toString()).toBe(
      '[core]\nrepo_version=1\nmode=bare-user\n\n[remote "origin"]\nurl=https://example.com/repo\ngpg-verify=false\nbranches=stable;testing;\n',
    )
  })

  test('a new key is written at the end of its group, and a new group at the end of the file', () => {
    const file = KeyFile.parse('[a]\nx=1\n[b]\ny=2\n')
    file.set('a', 'z', true)
    file.set('c', 'n', 42)
    file.setList('c', 'list', ['one', 'two;three'])
    expect(file.toString()).toBe('[a]\nx=1\nz=true\n\n[b]\ny=2\n\n[c]\nn=42\nlist=one;two\\;three;\n')
  })

  test('two groups with the same name are merged, and the last of two equal keys is the one that is read', () => {
    const file = KeyFile.parse('[a]\nx=1\n[b]\n[a]\nx=2\ny=3\n')
    expect(file.getString('a', 'x')).toBe('2')
    expect(file.toString()).toBe('[a]\nx=1\nx=2\ny=3\n\n[b]\n')
    expect(file.remove('a', 'x')).toBe(true)
    expect(file.get('a', 'x')).toBeUndefined()
    expect(file.remove('a', 'x')).toBe(false)
  })

  test('a group is removed with its keys', () => {
    const file = KeyFile.parse('[a]\nx=1\n\n[b]\ny=2\n')
    expect(file.removeGroup('a')).toBe(true)
    expect(file.removeGroup('a')).toBe(false)
    expect(file.toString()).toBe('[b]\ny=2\n')
    file.set('a', 'x', '3')
    expect(file.toString()).toBe('[b]\ny=2\n\n[a]\nx=3\n')
  })

  test('spaces, line breaks and backslashes are escaped and read back', () => {
    const file = new KeyFile()
    const text = ' \t leading, \\ inside\nand behind \r'
    file.set('g', 'k', text)
    expect(file.toString()).toBe('[g]\nk=\\s\\t\\sleading, \\\\ inside\\nand behind \\r\n')
    expect(KeyFile.parse(file.toString()).getString('g', 'k')).toBe(text)
  })

  test('a missing group or key throws an error that names it, unless the caller gives a default', () => {
    const file = KeyFile.parse('[core]\n')
    expect(() => file.getString('core', 'nope')).toThrow(
      new NotFoundError('core.nope', 'Key file does not have key “nope” in group “core”'),
    )
    expect(() => file.getList('nogroup', 'k')).toThrow('Key file does not have group “nogroup”')
    expect(() => file.keys('nogroup')).toThrow(NotFoundError)
    expect(file.get('nogroup', 'k')).toBeUndefined()
    expect(file.getBoolean('core', 'nope', true)).toBe(true)
    expect(file.getInteger('core', 'nope', undefined)).toBeUndefined()
    expect(file.getList('core', 'nope', [])).toEqual([])
  })

  test('an integer that starts with a form feed and has no digits is 0, as GKeyFile reads it with strtol', () => {
    expect(['\f', '\fx', '\v', '-\f'].map(parseInteger)).toEqual([0, 0, undefined, undefined])
  })

  test.each([
    ['0', 0n],
    ['  +7', 7n],
    ['-1', (1n << 64n) - 1n],
    ['-18446744073709551615', 1n],
    ['18446744073709551614', (1n << 64n) - 2n],
    ['18446744073709551615', (1n << 64n) - 1n],
    ['18446744073709551616', (1n << 64n) - 1n],
    ['99999999999999999999', (1n << 64n) - 1n],
    ['-99999999999999999999', (1n << 64n) - 1n],
    ['100000000000000000001', (1n << 64n) - 1n],
    ['000000000000000000000000000012', 12n],
    ['12 ', undefined],
    ['12x', undefined],
    ['', undefined],
    ['-', undefined],
  ])('the number %j is %s as g_ascii_strtoull reads it', (text, value) => {
    expect(parseUint64(text)).toBe(value)
  })

  test.each([
    ['2147483647', 2_147_483_647],
    ['2147483648', undefined],
    ['-2147483648', -2_147_483_648],
    ['-2147483649', undefined],
  ])('the integer %s is %s', (text, value) => expect(parseInteger(text)).toBe(value))

  test.each([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0 ', false],
    ['yes', undefined],
    ['', undefined],
    [' true', undefined],
  ])('the boolean %j is %s', (text, value) => expect(parseBoolean(text)).toBe(value))

  test.each([
    ['', []],
    ['a', ['a']],
    ['a;b;', ['a', 'b']],
    ['a;;b', ['a', '', 'b']],
    [';', ['']],
    ['a\\;b;c\\s', ['a;b', 'c ']],
    ['a\\', undefined],
  ])('the list %j is %j', (raw, value) => expect(parseList(raw, ';')).toEqual(value))

  test('a separator is not an escape in a value that is not a list', () => {
    expect(unescapeValue('a\\;b')).toBeUndefined()
    expect(unescapeValue('a;b')).toBe('a;b')
  })

  test.each([
    ['=1', 'junk'],
    ['  =1', 'junk'],
    ['a=', 'pair'],
    ['[a]', 'group'],
    ['[a] \t', 'group'],
    ['[a]b', 'junk'],
    ['[a]b=c', 'pair'],
    ['a]=c', 'pair'],
    ['[a', 'junk'],
  ])('the line %j is of the kind %s', (line, kind) => expect(parseLine(line).kind).toBe(kind))

  test('a key has a locale of at least one character at its end', () => {
    expect(['a', 'a[', 'a[]', 'a[d]', '[d]', '[]', 'a[b'].map(isTranslation)).toEqual([
      false,
      false,
      false,
      true,
      true,
      false,
      false,
    ])
    expect(['a', 'a b', ' a', 'a ', 'a\0b', '#a', 'a[de]', ' a[de]', 'a [de]', ''].map(isKeyName)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      true,
      false,
      false,
      false,
    ])
  })

  test('a value of another type throws an error also if the caller gives a default', () => {
    const file = KeyFile.parse('[core]\nfsync=yes\nversion=one\nlimit=-\ntext=\\q\n')
    expect(() => file.getBoolean('core', 'fsync', true)).toThrow(
      'Key file contains key “fsync” which has a value that cannot be interpreted.',
    )
    expect(() => file.getInteger('core', 'version', 1)).toThrow(
      'Key file contains key “version” in group “core” which has a value that cannot be interpreted.',
    )
    expect(() => file.getUint64('core', 'limit', 1n)).toThrow(
      'Key “limit” in group “core” has value “-” where uint64 was expected',
    )
    expect(() => file.get('core', 'text')).toThrow(FormatError)
    expect(file.getRaw('core', 'text')).toBe('\\q')
  })

  test.each([
    ['[core]\nx=1\njunk\n', 3, 'Key file contains line “junk” which is not a key-value pair, group, or comment'],
    ['[core\n', 1, 'Key file contains line “[core” which is not a key-value pair, group, or comment'],
    ['# note\n\n[a[b]\n', 3, 'Invalid group name: a[b'],
    ['[]\n', 1, 'Invalid group name: '],
    ['x=1\n', 1, 'Key file does not start with a group'],
    ['[core]\r\n\r\na[b=1\r\n', 3, 'Invalid key name: a[b'],
    ['[core]\nEncoding=latin1', 2, 'Key file contains unsupported encoding “latin1”'],
  ])('the error of an invalid file names its line: %j', (text, line, message) => {
    expect(() => KeyFile.parse(text, 'config')).toThrow(new FormatError(`config:${line}`, message))
    try {
      KeyFile.parse(text, 'config')
    } catch (error) {
      expect(error).toMatchObject({ data: { what: `config:${line}` } })
    }
  })

  test('names and values that could not be read back are refused', () => {
    const file = new KeyFile()
    expect(() => file.set('a]', 'k', 'v')).toThrow(InvalidNameError)
    expect(() => file.set('', 'k', 'v')).toThrow(InvalidNameError)
    expect(() => file.set('g', ' k', 'v')).toThrow('Invalid key name:  k')
    expect(() => file.set('g', 'a=b', 'v')).toThrow(InvalidNameError)
    expect(() => file.set('g', 'a\nb', 'v')).toThrow(InvalidNameError)
    expect(() => file.setRaw('g', 'k', 'v\n[other]')).toThrow(InvalidNameError)
    expect(file.toString()).toBe('')
  })

  test('an integer has 32 bits, and an uint64 has 64', () => {
    const file = KeyFile.parse('[n]\na=2147483647\nb=2147483648\nc=18446744073709551615\nd=-2147483648\n')
    expect(file.getInteger('n', 'a')).toBe(2 ** 31 - 1)
    expect(file.getInteger('n', 'd')).toBe(-(2 ** 31))
    expect(() => file.getInteger('n', 'b')).toThrow(FormatError)
    expect(file.getUint64('n', 'c')).toBe(2n ** 64n - 1n)
  })
})
