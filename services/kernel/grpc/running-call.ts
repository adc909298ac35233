/** A call under way, as the server that stops sees it. */
export interface RunningCall {
  /** Takes no more requests. What has one request goes on. */
  drain(): void
  /** Ends at once with SHUTTING_DOWN. */
  end(): void
}

export type RunningCalls = Set<RunningCall>
