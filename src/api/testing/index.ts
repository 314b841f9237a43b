export { type Answer, type TestApi, testApi } from "./client.ts";
export {
  type FakeEngine,
  type FakeParts,
  type FakeStreams,
  fakeContainer,
  fakeEngine,
  fakeImage,
  fakeStreams,
  NOW,
} from "./fake-engine.ts";
