import { describe } from 'vitest'
import { nodePlatform } from '../../src/platform/node.ts'
import { platformSuite } from './suite.ts'

describe('the platform for Node', () => platformSuite(nodePlatform))
