// Package backbeattest tests programs that enqueue and run tasks. It needs no Redis server and no sleeps:
//
//   - [Run] runs one attempt of a task as a worker does, and tells how it ended.
//   - [NewRecorder] returns a client.Enqueuer in memory. [RequireEnqueued] and its like tell what was enqueued, and
//     Recorder.Run runs it.
//   - [Start] runs a worker, a beat and an API in the test's process. [Deployment.Advance] moves their time, and
//     [Deployment.WaitIdle] waits for them.
//
// A test of a package that welcomes new users, and of the handler that does so:
//
//	var Welcome = task.Define[WelcomeIn, task.None]("mail.welcome")
//
//	func TestSignUpWelcomes(t *testing.T) {
//		q := backbeattest.NewRecorder(t)
//		signUp(t.Context(), q, "ada@example.com") // which calls client.Enqueue(ctx, q, Welcome, …)
//		welcome := backbeattest.RequireEnqueued(t, q, Welcome)
//		if welcome.In.Address != "ada@example.com" {
//			t.Errorf("welcomes %s", welcome.In.Address)
//		}
//	}
//
//	func TestWelcomeIsRetriedWhileTheMailServerIsAway(t *testing.T) {
//		mail := mailer{err: errors.New("connection refused")}
//		out := backbeattest.Run(t, Welcome, mail.welcome, WelcomeIn{Address: "ada@example.com"})
//		if out.State != client.Retrying {
//			t.Errorf("the task is %s after %v", out.State, out.Err)
//		}
//	}
package backbeattest
