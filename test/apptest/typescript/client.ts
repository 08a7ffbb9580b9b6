// What a user's program does with types that were generated from the document. Each @ts-expect-error is a mistake that the
// types must find: the compiler complains where it is none.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Task = components["schemas"]["TaskDocument"];
type TaskRequest = components["schemas"]["TaskRequest"];

const api = createClient<paths>({
  baseUrl: process.env.BACKBEAT_URL!,
  headers: { Authorization: `Bearer ${process.env.BACKBEAT_KEY}` },
});

async function runTask(): Promise<Task> {
  const { data: created, error, response } = await api.POST("/v1/tasks", {
    body: { type: "debug.echo", payload: { n: 17 }, queue: null, metadata: { by: "typescript" } },
  });
  if (error) throw new Error(error.detail);
  assert.equal(response.headers.get("Location"), `/v1/tasks/${created.id}`);

  const { data: task } = await api.GET("/v1/tasks/{id}", { params: { path: { id: created.id }, query: { wait: "60s" } } });
  assert.equal(task?.state, "succeeded");
  assert.deepEqual(task.result, { n: 17 });
  return task;
}

async function findTask(id: string): Promise<void> {
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? {} : { cursor };
    const { data: page } = await api.GET("/v1/tasks", { params: { query: { ...query, state: ["succeeded", "failed"], limit: 1 } } });
    if (page?.items.some((task) => task.id === id)) return;
    cursor = page?.next_cursor;
  } while (cursor !== undefined);
  assert.fail(`task ${id} is not listed`);
}

async function keepSchedule(): Promise<void> {
  const params = { path: { id: "typescript" } };
  const { data: schedule, response } = await api.PUT("/v1/schedules/{id}", {
    params,
    body: { cron: "0 3 * * *", timezone: "Europe/Berlin", start_at: null, task: { type: "debug.echo" } },
  });
  assert.equal(response.status, 201);
  assert.equal(schedule?.origin, "api");
  assert.ok(schedule.next_run_at);

  const { data: preview } = await api.POST("/v1/schedules/preview", {
    body: { cron: "0 3 * * *", timezone: "Europe/Berlin", after: "2026-03-28T12:00:00Z", count: 2 },
  });
  assert.deepEqual(preview?.runs, ["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"]);

  const gone = await api.DELETE("/v1/schedules/{id}", { params });
  assert.equal(gone.response.status, 204);
  const { error } = await api.GET("/v1/schedules/{id}", { params });
  assert.equal(error?.status, 404);
}

// A problem tells which fields are at fault, and its type says so.
async function refuse(): Promise<void> {
  // @ts-expect-error: the payload of this type needs a duration
  const { data, error } = await api.POST("/v1/tasks", { body: { type: "debug.sleep", payload: {}, max_retries: -1 } });
  assert.equal(data, undefined);
  const faults = new Map(error?.errors?.map(({ location, message }) => [location, message]));
  assert.deepEqual([...faults.keys()].sort(), ["body.max_retries", "body.payload.duration"]);
}

// Nobody calls this: it is for the compiler.
export async function mistakes(task: Task): Promise<void> {
  // @ts-expect-error: there is no such call
  await api.GET("/v1/nothing");
  // @ts-expect-error: type is required
  await api.POST("/v1/tasks", { body: { payload: {} } });
  // @ts-expect-error: there is no such field
  const request: TaskRequest = { type: "debug.echo", colour: "red" };
  await api.POST("/v1/tasks", { body: request });
  // @ts-expect-error: there is no such state
  if (task.state === "asleep") return;
  // @ts-expect-error: it may be null
  task.worker.length;
}

const task = await runTask();
await findTask(task.id);
await keepSchedule();
await refuse();
console.log(task.id);
