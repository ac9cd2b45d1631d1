import { describe } from 'vitest'
import { portablePlatform } from '../../src/platform/portable.ts'
import { platformSuite } from './suite.ts'

describe('the portable platform', () => platformSuite(portablePlatform))
