/** What is hidden in transactions before they are kept (apigee-edge.md 1.8): Edge's mask configuration, parsed. */
export interface MaskSet {
  readonly variables: readonly string[]
  readonly jsonPathsRequest: readonly string[]
  readonly jsonPathsResponse: readonly string[]
  readonly jsonPathsFault: readonly string[]
  readonly xPathsRequest: readonly string[]
  readonly xPathsResponse: readonly string[]
  readonly xPathsFault: readonly string[]
  readonly namespaces: Readonly<Record<string, string>>
}

export const noMasks: MaskSet = {
  variables: [],
  jsonPathsRequest: [],
  jsonPathsResponse: [],
  jsonPathsFault: [],
  xPathsRequest: [],
  xPathsResponse: [],
  xPathsFault: [],
  namespaces: {},
}
