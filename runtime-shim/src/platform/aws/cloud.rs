//! AWS for events. It is not asked before an event needs it, and its calls wait for the answer:
//! models run on threads that may.

use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::objects::{Content, Object, ReadError};
use super::queues::Message;
use super::{Aws, AwsError};
use crate::codec::failure::{Code, Failure};
use crate::config;
use crate::platform::events::cloud::{Cloud, Delivery, too_large};
use crate::platform::outputs::{Outputs, Place};

/// Objects that are read or written at a time.
const OBJECTS: usize = 8;

/// The part of the function's memory that objects may have: a text of numbers takes about as much
/// again as tensors, and the model has to run, too.
const SHARE: usize = 8;

/// The memory of a function that does not say, in MB: what the manifest gives it then.
const MEMORY: usize = 512;

/// AWS, as the environment has it.
#[derive(Default)]
pub(crate) struct AwsCloud {
    outputs: OnceLock<Result<Outputs, Failure>>,
    connected: OnceLock<Result<Connected, Failure>>,
}

/// The client and the runtime that its connections belong to.
struct Connected {
    aws: Arc<Aws>,
    /// Always there until this is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        // This may happen where waiting for its threads is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl AwsCloud {
    /// Of this client.
    #[cfg(test)]
    pub(crate) fn of(aws: Aws, outputs: Outputs) -> Self {
        let connected = Connected::start(aws);
        Self {
            outputs: Ok(outputs).into(),
            connected: connected.into(),
        }
    }

    fn connected(&self) -> Result<(&Arc<Aws>, &Runtime), Failure> {
        let connect = || match Aws::from_environment() {
            Ok(aws) => Connected::start(aws),
            Err(error) => Err(misconfigured(&error)),
        };
        let connected = self.connected.get_or_init(connect);
        let connected = connected.as_ref().map_err(Clone::clone)?;
        let runtime = connected.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| Failure::new(Code::Internal, "it has ended"))?;
        Ok((&connected.aws, runtime))
    }

    /// Does something for each of `items`, some at a time; the results are in their order.
    fn each<T, R, W, F>(&self, items: Vec<T>, work: W) -> Vec<Result<R, Failure>>
    where
        W: Fn(Arc<Aws>, T) -> F,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
        R: Send + 'static,
    {
        let count = items.len();
        let (aws, runtime) = match self.connected() {
            Ok(connected) => connected,
            Err(failure) => return (0..count).map(|_| Err(failure.clone())).collect(),
        };
        let lost = || Err(Failure::new(Code::Internal, "the log has the details"));
        let mut results: Vec<_> = (0..count).map(|_| lost()).collect();
        let mut items = items.into_iter().enumerate();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            loop {
                while tasks.len() < OBJECTS
                    && let Some((place, item)) = items.next()
                {
                    let task = work(Arc::clone(aws), item);
                    tasks.spawn(async move { (place, task.await) });
                }
                match tasks.join_next().await {
                    None => break,
                    Some(Ok((place, result))) => results[place] = result,
                    // A panic is in the log.
                    Some(Err(_)) => {}
                }
            }
        });
        results
    }
}

impl Connected {
    fn start(aws: Aws) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            let message = format!("cannot open what connections need: {error}");
            Failure::new(Code::Internal, message)
        })?;
        Ok(Self {
            aws: Arc::new(aws),
            runtime: Some(runtime),
        })
    }
}

impl Cloud for AwsCloud {
    fn outputs(&self) -> Result<&Outputs, Failure> {
        let parse =
            || Outputs::parse(config::variable(mlfn_shim_contract::env::OUTPUTS).as_deref());
        let outputs = self.outputs.get_or_init(parse);
        outputs.as_ref().map_err(Clone::clone)
    }

    fn capacity(&self) -> usize {
        let memory = config::variable(config::LAMBDA_MEMORY);
        let memory = memory.and_then(|memory| memory.parse().ok());
        (memory.unwrap_or(MEMORY) << 20) / SHARE
    }

    fn fetch(&self, objects: Vec<Object>) -> Vec<Result<Content, Failure>> {
        let capacity = self.capacity();
        self.each(objects, move |aws, object| async move {
            let content = aws.get_object(&object, capacity).await;
            content.map_err(|error| match error {
                ReadError::TooLarge { limit, size } => too_large(limit, size),
                ReadError::Aws(error) => {
                    let message = format!("cannot read the object: {}", crate::chain(&error));
                    Failure::new(Code::ObjectNotRead, message)
                }
            })
        })
    }

    fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Result<(), Failure>> {
        let jobs = jobs(&deliveries);
        let places: Vec<Vec<usize>> = jobs.iter().map(Job::places).collect();
        let mut results: Vec<_> = deliveries.iter().map(|_| Ok(())).collect();
        let done = self.each(jobs, |aws, job| async move { Ok(job.run(&aws).await) });
        for (places, done) in places.into_iter().zip(done) {
            match done {
                Ok(done) => places
                    .into_iter()
                    .zip(done)
                    .for_each(|(place, result)| results[place] = result),
                Err(failure) => places
                    .into_iter()
                    .for_each(|place| results[place] = Err(failure.clone())),
            }
        }
        results
    }
}

/// What is done at the same time as others: an object, or all messages for a queue in their order.
enum Job {
    Put(usize, Object, bytes::Bytes),
    Send(String, Vec<(usize, Message)>),
}

fn jobs(deliveries: &[Delivery]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let url = match &delivery.place {
            Place::Object(object) => {
                jobs.push(Job::Put(number, object.clone(), delivery.body.clone()));
                continue;
            }
            Place::Queue(url) => url,
        };
        let message = Message {
            body: String::from_utf8_lossy(&delivery.body).into_owned(),
            source: delivery.source.clone(),
            group: delivery.group.clone(),
        };
        let queue = jobs.iter_mut().find_map(|job| match job {
            Job::Send(queue, messages) if queue == url => Some(messages),
            _ => None,
        });
        match queue {
            Some(messages) => messages.push((number, message)),
            None => jobs.push(Job::Send(url.clone(), vec![(number, message)])),
        }
    }
    jobs
}

impl Job {
    /// Of which deliveries it has the results.
    fn places(&self) -> Vec<usize> {
        match self {
            Self::Put(place, ..) => vec![*place],
            Self::Send(_, messages) => messages.iter().map(|(place, _)| *place).collect(),
        }
    }

    async fn run(self, aws: &Aws) -> Vec<Result<(), Failure>> {
        match self {
            Self::Put(_, object, body) => {
                let done = aws.put_json(&object, body).await;
                let done = done.map_err(|error| crate::chain(&error));
                vec![done.map_err(|why| not_delivered(&object.uri(), &why))]
            }
            Self::Send(url, messages) => {
                let messages: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
                let sent = aws.send_messages(&url, &messages).await;
                let sent = sent.into_iter();
                sent.map(|one| one.map_err(|why| not_delivered(&url, &why)))
                    .collect()
            }
        }
    }
}

fn not_delivered(address: &str, why: &str) -> Failure {
    let message = format!("the prediction cannot be written to {address}: {why}");
    Failure::new(Code::NotDelivered, message)
}

fn misconfigured(error: &AwsError) -> Failure {
    Failure::new(Code::WrongConfiguration, crate::chain(error))
}
