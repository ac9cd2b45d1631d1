/** Every decoder and reader of the library that meets bytes of unknown origin, with sound inputs to begin with. */
import type { FuzzTarget } from './target.ts'
import { CODEC_TARGETS } from './targets/codecs.ts'
import { CONTAINER_TARGETS } from './targets/container.ts'
import { DELTA_TARGETS } from './targets/deltas.ts'
import { GVARIANT_TARGETS } from './targets/gvariant.ts'
import { NETWORK_TARGETS } from './targets/network.ts'
import { OBJECT_TARGETS } from './targets/objects.ts'
import { OUTPUT_TARGETS } from './targets/outputs.ts'
import { TAR_TARGETS } from './targets/tar.ts'
import { TEXT_TARGETS } from './targets/texts.ts'

export const TARGETS: readonly FuzzTarget[] = [
  ...GVARIANT_TARGETS,
  ...OBJECT_TARGETS,
  ...TAR_TARGETS,
  ...CODEC_TARGETS,
  ...DELTA_TARGETS,
  ...TEXT_TARGETS,
  ...CONTAINER_TARGETS,
  ...NETWORK_TARGETS,
  ...OUTPUT_TARGETS,
]
