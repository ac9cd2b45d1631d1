import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { goConfigJson, readGoConfig } from '../../../src/container/oci/config.ts'
import { OstreeError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const ROOTFS = '"rootfs":{"type":"layers","diff_ids":["x"]}'

/** Configs as hostile or unusual programs may write them. */
const CONFIGS: Readonly<Record<string, string>> = {
  'no members': '{}',
  'HTML in a label': `{"config":{"Labels":{"b":"<&>\u2028\u2029","a":"\\u0001\\u001f\\u007f\\t\\n\\r\\"\\\\/"}},${ROOTFS}}`,
  'names in other cases': `{"ARCHITECTURE":"a","oS":"l","CONFIG":{"user":"u","ENV":["A=b"]},${ROOTFS}}`,
  'a later name in another case': `{"os":"one","OS":"two",${ROOTFS}}`,
  'nulls everywhere': `{"os":null,"created":null,"config":{"Env":[null],"Labels":{"a":null},"Volumes":{"/v":null}},"history":[null],${ROOTFS}}`,
  'null after a value': `{"os":"one","OS":null,${ROOTFS}}`,
  'empty values': `{"author":"","config":{"User":"","Env":[],"Labels":{},"Volumes":{}},"history":[],${ROOTFS}}`,
  'map keys in UTF-8 order': `{"config":{"Labels":{"\u{1f600}":"1","\uffee":"2","10":"3","9":"4","A":"5"}},${ROOTFS}}`,
  'times with fractions': `{"created":"2020-01-02T03:04:05.120Z","history":[{"created":"2020-01-02T03:04:05.000+02:00"}],${ROOTFS}}`,
  'a time of another zone': `{"created":"2020-01-02T03:04:05-00:00","history":[{"created":"2020-01-02T03:04:05.1234567891+02:30"}],${ROOTFS}}`,
  'half a surrogate pair': `{"author":"a\\ud800b\\udc00","config":{"Labels":{"\\ud800":"x"}},${ROOTFS}}`,
  'a Docker image': `{"architecture":"armbe","os":"linux","config":{"Hostname":"h","ArgsEscaped":true,"Healthcheck":{}},${ROOTFS}}`,
  'history of every kind': `{"history":[{"empty_layer":true,"comment":"c","author":"a","created_by":"b"},{"empty_layer":false}],${ROOTFS}}`,
  'features of an operating system': `{"os.version":"1","os.features":["a"],${ROOTFS}}`,
  'a name with a long s': `{"o\u017f":"long",${ROOTFS}}`,
  'no diff ids': '{"rootfs":{"type":"layers","diff_ids":null}}',
  'members of a volume': `{"config":{"ExposedPorts":{"80":{"a":1}}},${ROOTFS}}`,
}

/** Configs that Go rejects. */
const REFUSED: Readonly<Record<string, string>> = {
  'a number for a text': '{"os":1}',
  'a text for a list': '{"config":{"Env":"A=b"}}',
  'a number in a map': '{"config":{"Labels":{"a":1}}}',
  'an empty time': '{"created":""}',
  'a time in lower case': '{"created":"2020-01-02t03:04:05z"}',
  'a day that does not exist': '{"created":"2020-02-30T00:00:00Z"}',
  'a list for a volume': '{"config":{"Volumes":{"/v":[]}}}',
  'a text for a flag': '{"history":[{"empty_layer":"yes"}]}',
  'half a document': '{"os":',
}

describeReference('skopeo', 'configs, compared with skopeo', () => {
  let directory: string

  beforeAll(() => {
    directory = temporaryFolder('disk')
    mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true })
    writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  })

  function throughSkopeo(config: string): string {
    const descriptor = (text: string, mediaType: string) => {
      const bytes = encodeUtf8(text)
      const checksum = nodePlatform.sha256(bytes)
      writeFileSync(join(directory, 'blobs', 'sha256', checksum), bytes)
      return { mediaType, digest: `sha256:${checksum}`, size: bytes.length }
    }
    const manifest = JSON.stringify({
      schemaVersion: 2,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [],
    })
    const manifests = [descriptor(manifest, 'application/vnd.oci.image.manifest.v1+json')]
    writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    const indented = run('skopeo', ['--insecure-policy', 'inspect', '--config', `oci:${directory}`])
    return indented
      .split('\n')
      .map((line) => line.trimStart().replace(/^("(?:[^"\\]|\\.)*"): /, '$1:'))
      .join('')
  }

  test.each(Object.entries(CONFIGS))('a config with %s is read and written as by skopeo', (_, config) => {
    expect(goConfigJson(readGoConfig(encodeUtf8(config)))).toBe(throughSkopeo(config))
  })

  test.each(Object.entries(REFUSED))('a config with %s is rejected, as by skopeo', (_, config) => {
    expect(() => throughSkopeo(config)).toThrow()
    expect(() => readGoConfig(encodeUtf8(config))).toThrow(OstreeError)
  })
})
