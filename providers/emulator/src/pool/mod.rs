//! The instances of one revision of a function: as many as there are requests at a time, warm for a
//! while, started again when they end.

mod cgroup;
mod gate;
mod instance;
mod journal;
mod share;
mod usage;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use mlfn_core::Memory;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::instance::{Instance, Mould};
use crate::blueprint::Blueprint;
use crate::log_file::LogFile;
use crate::packages::Lease;

pub(crate) use cgroup::Groups;
pub(crate) use gate::Gate;
pub use gate::Throttled;
pub(crate) use instance::Ask;
pub use instance::{Done, Ending};
pub use journal::Report;
pub use share::{CpuShare, NoShare};

/// How often busy instances are looked at: memory can be filled within milliseconds.
const BUSY_TICK: Duration = Duration::from_millis(5);

/// How often otherwise.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How often the size of temporary files is looked at.
const SCRATCH_TICK: Duration = Duration::from_millis(100);

/// How long to wait after a start ahead of requests has failed.
const START_PAUSE: Duration = Duration::from_secs(10);

/// What a pool is made of, apart from what may change while it runs.
#[derive(Debug)]
pub(crate) struct PoolSpec {
    pub(crate) blueprint: Blueprint,
    /// The most that an instance may write into its folder for temporary files.
    pub(crate) scratch: Memory,
    /// Where these folders are made.
    pub(crate) scratch_root: PathBuf,
    pub(crate) log: Arc<LogFile>,
    /// How many requests an instance gets at a time.
    pub(crate) seats: u32,
    /// By which the kernel enforces limits, where it may.
    pub(crate) groups: Option<Arc<Groups>>,
    /// How much of a processor an instance gets.
    pub(crate) share: CpuShare,
    /// Of its package.
    pub(crate) lease: Arc<Lease>,
}

/// What may change while a pool runs.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) gate: Arc<Gate>,
    /// Instances that are kept warm.
    pub(crate) warm: u32,
    /// How long an instance may have nothing to do.
    pub(crate) idle: Duration,
}

/// The instances of one revision of a function.
#[derive(Debug)]
pub(crate) struct Pool {
    mould: Arc<Mould>,
    seats: u32,
    scale: Mutex<Scale>,
    state: Mutex<State>,
    /// How many instances there are, for those who wait for a change.
    population: watch::Sender<usize>,
    keeper: Arc<Keeper>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    is_retired: bool,
    /// Until when no instance is started ahead of requests.
    pause: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    instance: Arc<Instance>,
    /// Requests that it has.
    taken: u32,
    /// When it got or finished its last one.
    since: Instant,
}

impl Member {
    /// Whether it never became ready.
    fn has_failed(&self) -> bool {
        self.instance.has_ended() && !self.instance.is_ready()
    }
}

/// Wakes the task that looks after a pool.
#[derive(Debug, Default)]
struct Keeper {
    wake: Notify,
    is_resting: AtomicBool,
}

impl Pool {
    /// Without instances, until there are requests or some shall be warm. Needs a runtime.
    pub(crate) fn new(spec: PoolSpec, scale: Scale) -> Arc<Self> {
        let memory = spec.blueprint.memory;
        let pool = Arc::new(Self {
            mould: Arc::new(Mould {
                blueprint: spec.blueprint,
                scratch: spec.scratch,
                scratch_root: spec.scratch_root,
                log: spec.log,
                // The kernel does better what it does.
                quota: match spec.groups {
                    Some(_) => None,
                    None => spec.share.quota(memory),
                },
                groups: spec.groups,
                _lease: Some(spec.lease),
                is_shared: spec.seats > 1,
            }),
            seats: spec.seats.max(1),
            scale: Mutex::new(scale),
            state: Mutex::default(),
            population: watch::Sender::new(0),
            keeper: Arc::default(),
        });
        tokio::spawn(keep(Arc::downgrade(&pool), Arc::clone(&pool.keeper)));
        pool
    }

    /// Whether it has what `spec` asks for.
    pub(crate) fn is_like(&self, spec: &PoolSpec) -> bool {
        self.mould.blueprint == spec.blueprint
            && self.mould.scratch == spec.scratch
            && self.seats == spec.seats.max(1)
    }

    /// Changes what may change.
    pub(crate) fn scale_to(&self, scale: Scale) {
        *self.scale.lock().unwrap_or_else(PoisonError::into_inner) = scale;
        self.keeper.wake.notify_one();
    }

    /// Sends a request to an instance, and starts one if none is free. The request is carried out
    /// even if nobody waits for its answer any more.
    pub(crate) async fn invoke(self: &Arc<Self>, ask: Ask) -> Result<Done, Throttled> {
        let gate = Arc::clone(&self.scale().gate);
        let seat = gate.enter().await?;
        let pool = Arc::clone(self);
        let carried_out = tokio::spawn(async move {
            let done = pool.carry_out(ask).await;
            drop(seat);
            done
        });
        // Only the end of the runtime ends the task, and then this one, too.
        match carried_out.await {
            Ok(done) => Ok(done),
            Err(_) => std::future::pending().await,
        }
    }

    async fn carry_out(self: Arc<Self>, ask: Ask) -> Done {
        loop {
            let seat = self.sit();
            if let Err(error) = seat.instance.ready().await {
                return seat.instance.refuse(&ask, &error);
            }
            // It may have ended while nobody looked; then the next one gets the request.
            if let Some(done) = seat.instance.perform(ask.clone()).await {
                return done;
            }
        }
    }

    /// Takes a place at the instance that was used last, since the others may then be let go.
    fn sit(self: &Arc<Self>) -> Seat {
        let mut state = self.state();
        state
            .members
            .retain(|member| member.taken > 0 || !member.instance.has_ended());
        let free = state
            .members
            .iter_mut()
            .filter(|member| member.taken < self.seats && !member.instance.has_ended());
        let best = free.max_by_key(|member| (member.instance.is_ready(), member.since));
        let instance = match best {
            Some(member) => {
                member.taken += 1;
                member.since = Instant::now();
                Arc::clone(&member.instance)
            }
            None => state.start(&self.mould, Start::ForRequest),
        };
        self.population.send_replace(state.members.len());
        drop(state);
        if self.keeper.is_resting.swap(false, Ordering::Relaxed) {
            self.keeper.wake.notify_one();
        }
        Seat {
            pool: Arc::clone(self),
            instance,
        }
    }

    fn stand_up(self: &Arc<Self>, instance: &Arc<Instance>) {
        let mut state = self.state();
        let is_retired = state.is_retired;
        let Some(index) = state.position(instance) else {
            return;
        };
        let member = &mut state.members[index];
        member.taken -= 1;
        member.since = Instant::now();
        if member.taken > 0 {
            return;
        }
        if instance.has_ended() {
            state.members.swap_remove(index);
            self.population.send_replace(state.members.len());
        } else if is_retired {
            self.let_go(member);
        }
    }

    /// Asks an instance to end, and forgets it once it has.
    fn let_go(self: &Arc<Self>, member: &mut Member) {
        // No request gets it from now on.
        member.taken = self.seats;
        let instance = Arc::clone(&member.instance);
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            instance.stop().await;
            let mut state = pool.state();
            if let Some(index) = state.position(&instance) {
                state.members.swap_remove(index);
            }
            pool.population.send_replace(state.members.len());
        });
    }

    /// Ends its instances, each after the requests that it has. Requests may still come, and are
    /// carried out.
    pub(crate) fn retire(self: &Arc<Self>) {
        let mut state = self.state();
        state.is_retired = true;
        let free = state.members.iter_mut().filter(|member| member.taken == 0);
        free.for_each(|member| self.let_go(member));
    }

    /// Waits until it has this many instances.
    pub(crate) async fn wait_for_population(&self, wanted: usize) {
        let mut population = self.population.subscribe();
        // The sender lives as long as this does.
        let _ = population
            .wait_for(|population| *population == wanted)
            .await;
    }

    /// How many of its instances were started ahead of requests and are ready.
    pub(crate) fn ready(&self) -> usize {
        let state = self.state();
        let ready = state
            .members
            .iter()
            .filter(|member| member.instance.is_ready());
        ready.count()
    }

    /// Does what has to be done from time to time. Returns when to do it again.
    fn tend(self: &Arc<Self>, with_scratch: bool) -> Duration {
        let scale = self.scale();
        let mut state = self.state();
        let busy = state
            .members
            .iter()
            .filter(|member| member.taken > 0)
            .count();
        for member in &state.members {
            if member.taken > 0 || !member.instance.is_ready() {
                member.instance.check_share();
                member.instance.check_memory();
                if with_scratch {
                    member.instance.check_scratch();
                }
            }
        }
        if state.members.iter().any(Member::has_failed) {
            state.pause = Some(Instant::now() + START_PAUSE);
        }
        self.reap(&mut state, &scale);
        self.warm_up(&mut state, &scale);
        self.population.send_replace(state.members.len());
        if busy > 0 {
            // Looking at many takes longer, and must not take all of the time.
            return BUSY_TICK * u32::try_from(busy.div_ceil(8)).unwrap_or(1);
        }
        self.keeper.is_resting.store(true, Ordering::Relaxed);
        (scale.idle / 2).clamp(BUSY_TICK, IDLE_TICK)
    }

    fn reap(self: &Arc<Self>, state: &mut State, scale: &Scale) {
        state
            .members
            .retain(|member| member.taken > 0 || !member.instance.has_ended());
        let spare = state.members.len().saturating_sub(to_usize(scale.warm));
        let tired = state
            .members
            .iter_mut()
            .filter(|member| member.taken == 0 && member.since.elapsed() > scale.idle);
        tired.take(spare).for_each(|member| self.let_go(member));
    }

    fn warm_up(&self, state: &mut State, scale: &Scale) {
        if state.is_retired || state.pause.is_some_and(|until| Instant::now() < until) {
            return;
        }
        for _ in state.members.len()..to_usize(scale.warm) {
            state.start(&self.mould, Start::Ahead);
        }
    }

    fn scale(&self) -> Scale {
        self.scale
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an instance is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    ForRequest,
    Ahead,
}

impl State {
    fn start(&mut self, mould: &Arc<Mould>, start: Start) -> Arc<Instance> {
        let instance = Instance::start(mould, start == Start::Ahead);
        self.members.push(Member {
            instance: Arc::clone(&instance),
            taken: u32::from(start == Start::ForRequest),
            since: Instant::now(),
        });
        instance
    }

    fn position(&self, instance: &Arc<Instance>) -> Option<usize> {
        self.members
            .iter()
            .position(|member| Arc::ptr_eq(&member.instance, instance))
    }
}

/// A request's place at an instance.
struct Seat {
    pool: Arc<Pool>,
    instance: Arc<Instance>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.stand_up(&self.instance);
    }
}

/// Looks after a pool as long as somebody has it.
async fn keep(pool: Weak<Pool>, keeper: Arc<Keeper>) {
    let mut scratch_at = Instant::now();
    while let Some(held) = pool.upgrade() {
        let with_scratch = scratch_at.elapsed() > SCRATCH_TICK;
        if with_scratch {
            scratch_at = Instant::now();
        }
        let pause = held.tend(with_scratch);
        drop(held);
        let _ = timeout(pause, keeper.wake.notified()).await;
    }
}

fn to_usize(number: u32) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
