//! Questions to a device: a bounded queue, the threads that answer, and how long anybody waits for them.
//!
//! Owns: who waits, who is being answered, and that each gets an answer or is let go at the deadline. Not: the threads,
//! nor what is asked. A thread that hangs keeps its place here, so that a device that hangs holds up no more than its
//! threads and the queue before them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

pub(crate) struct Lane<Question, Answer> {
    inner: Mutex<Inner<Question, Answer>>,
    changed: Condvar,
    bound: usize,
    deadline: Duration,
}

struct Inner<Question, Answer> {
    waiting: VecDeque<Waiting<Question, Answer>>,
    running: Vec<Running<Answer>>,
    next: u64,
    closed: bool,
}

struct Waiting<Question, Answer> {
    question: Question,
    /// `None`: nobody waits for it, and it is to be done nevertheless.
    answer: Option<oneshot::Sender<Answer>>,
    asked: Instant,
}

struct Running<Answer> {
    ticket: u64,
    /// `None` once its asker was let go, or if there was none.
    answer: Option<oneshot::Sender<Answer>>,
    asked: Instant,
    begun: Instant,
}

/// A question that a thread has taken.
pub(crate) struct Taken<Question> {
    pub(crate) question: Question,
    pub(crate) ticket: u64,
    pub(crate) waited: Duration,
}

/// What a look at the clock found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// Threads that have been at one question for longer than the deadline.
    pub(crate) hanging: usize,
    /// Askers who were let go just now.
    pub(crate) let_go: usize,
}

impl<Question, Answer> Lane<Question, Answer> {
    pub(crate) fn new(bound: usize, deadline: Duration) -> Self {
        let inner = Inner { waiting: VecDeque::new(), running: Vec::new(), next: 0, closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), bound, deadline }
    }

    /// `None`: too many wait already. The answer fails when the deadline has passed.
    pub(crate) fn ask(&self, question: Question) -> Option<oneshot::Receiver<Answer>> {
        let (answer, receiver) = oneshot::channel();
        self.queue(question, Some(answer)).then_some(receiver)
    }

    /// Something to be done, of which nobody wants to hear. It is not done when too much waits or it is late.
    /// `false`: it will not be.
    pub(crate) fn tell(&self, question: Question) -> bool {
        self.queue(question, None)
    }

    fn queue(&self, question: Question, answer: Option<oneshot::Sender<Answer>>) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed || inner.waiting.len() >= self.bound {
            return false;
        }
        inner.waiting.push_back(Waiting { question, answer, asked: Instant::now() });
        drop(inner);
        self.changed.notify_one();
        true
    }

    /// Blocks until there is a question; `None` when the lane is closed. Questions nobody waits for are left out.
    pub(crate) fn take(&self) -> Option<Taken<Question>> {
        let mut inner = self.inner.lock();
        loop {
            if inner.closed {
                return None;
            }
            match inner.waiting.pop_front() {
                Some(waiting) if waiting.answer.as_ref().is_some_and(oneshot::Sender::is_closed) => {}
                Some(waiting) => return Some(inner.begin(waiting)),
                None => self.changed.wait(&mut inner),
            }
        }
    }

    /// The answer to what was taken; `false`: its asker was let go before.
    pub(crate) fn answer(&self, ticket: u64, answer: Answer) -> bool {
        let mut inner = self.inner.lock();
        let Some(place) = inner.running.iter().position(|running| running.ticket == ticket) else { return false };
        let running = inner.running.swap_remove(place);
        drop(inner);
        running.answer.is_some_and(|asker| asker.send(answer).is_ok())
    }

    /// Lets go whoever has waited too long.
    pub(crate) fn look_at_clock(&self, now: Instant) -> Overdue {
        let mut gone = Vec::new();
        let mut inner = self.inner.lock();
        let late = |asked: Instant| now.saturating_duration_since(asked) >= self.deadline;
        // All have the same deadline, so that the first is the next.
        while inner.waiting.front().is_some_and(|waiting| late(waiting.asked)) {
            gone.extend(inner.waiting.pop_front().and_then(|waiting| waiting.answer));
        }
        for running in &mut inner.running {
            if late(running.asked) {
                gone.extend(running.answer.take());
            }
        }
        let hanging = inner.running.iter().filter(|running| late(running.begun)).count();
        drop(inner);
        Overdue { hanging, let_go: gone.len() }
    }

    /// Lets go everybody whose turn has not come.
    pub(crate) fn dismiss(&self) -> usize {
        let waiting = std::mem::take(&mut self.inner.lock().waiting);
        waiting.len()
    }

    /// No more questions; the threads leave when they are done with theirs.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.dismiss();
        self.changed.notify_all();
    }

    /// How many threads are at a question.
    pub(crate) fn running(&self) -> usize {
        self.inner.lock().running.len()
    }

    /// How many wait for an answer.
    pub(crate) fn outstanding(&self) -> usize {
        let inner = self.inner.lock();
        inner.running.len() + inner.waiting.len()
    }

    /// How many wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.inner.lock().waiting.len()
    }
}

impl<Question, Answer> Inner<Question, Answer> {
    fn begin(&mut self, waiting: Waiting<Question, Answer>) -> Taken<Question> {
        let (ticket, begun) = (self.next, Instant::now());
        self.next += 1;
        let Waiting { question, answer, asked } = waiting;
        self.running.push(Running { ticket, answer, asked, begun });
        Taken { question, ticket, waited: begun.saturating_duration_since(asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(1);

    fn after(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn questions_are_answered_in_their_order() {
        let lane: Lane<u8, u8> = Lane::new(4, DEADLINE);
        let answers: Vec<_> = (1..=3).map(|question| lane.ask(question).unwrap()).collect();
        for expected in 1..=3 {
            let taken = lane.take().unwrap();
            assert_eq!(taken.question, expected);
            assert!(lane.answer(taken.ticket, taken.question * 10));
        }
        let answers: Vec<u8> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
        assert_eq!(answers, [10, 20, 30]);
    }

    #[test]
    fn more_than_the_bound_are_not_taken_in() {
        let lane: Lane<u8, u8> = Lane::new(2, DEADLINE);
        let kept = [lane.ask(1), lane.ask(2)];
        assert!(kept.iter().all(Option::is_some));
        assert!(lane.ask(3).is_none());
        assert_eq!(lane.waiting(), 2);
    }

    #[test]
    fn at_the_deadline_everybody_is_let_go_and_who_hangs_is_told_of() {
        let lane: Lane<u8, u8> = Lane::new(4, DEADLINE);
        let answers = [lane.ask(1).unwrap(), lane.ask(2).unwrap()];
        let taken = lane.take().unwrap();
        assert_eq!(lane.look_at_clock(after(0)), Overdue::default());
        assert_eq!(lane.look_at_clock(after(2)), Overdue { hanging: 1, let_go: 2 });
        for answer in answers {
            assert!(answer.blocking_recv().is_err());
        }
        assert!(!lane.answer(taken.ticket, 1));
        assert_eq!(lane.look_at_clock(after(2)), Overdue::default());
    }

    #[test]
    fn a_question_nobody_waits_for_any_more_is_left_out() {
        let lane: Lane<u8, u8> = Lane::new(4, DEADLINE);
        drop(lane.ask(1));
        let _kept = lane.ask(2).unwrap();
        assert_eq!(lane.take().unwrap().question, 2);
    }

    #[test]
    fn what_nobody_waits_for_is_done_if_it_was_only_told() {
        let lane: Lane<u8, u8> = Lane::new(4, DEADLINE);
        lane.tell(1);
        let taken = lane.take().unwrap();
        assert_eq!(taken.question, 1);
        assert!(!lane.answer(taken.ticket, 1));
    }

    #[test]
    fn a_closed_lane_sends_everybody_home() {
        let lane: Lane<u8, u8> = Lane::new(4, DEADLINE);
        let answer = lane.ask(1).unwrap();
        lane.close();
        assert!(lane.take().is_none() && lane.ask(2).is_none());
        assert!(answer.blocking_recv().is_err());
    }
}
