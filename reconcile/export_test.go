package reconcile

import "context"

// Serve runs body beside the workers, without any pass.
func (m *Mirror) Serve(ctx context.Context, body func(context.Context) error) error {
	return m.withWorkers(ctx, body)
}

// Pass makes one pass; the workers must be running.
func (m *Mirror) Pass(ctx context.Context, cause PassCause) (Report, error) {
	return m.pass(ctx, cause)
}

// Idle returns when nothing is dirty.
func (m *Mirror) Idle(ctx context.Context) error { return m.queue.waitIdle(ctx) }
