/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol of admission and of a VM's life, small enough to be checked in every order of events.
 *
 * What it has of the code: the table of a VM's states, places that are held from before a start to
 * the end of the VM, retries in the same place, warm VMs and their eviction, VMs that are stuck,
 * late and repeated events, VMs that end by themselves, cancels, a request that needs all memory
 * and its age limit, users and their tenants with caps; with PAUSES a budget of vCPUs that is smaller
 * than that of slots, owners who pause their VMs and wait for them to run again, and an administrator
 * who pauses one. What it leaves out: vCPUs otherwise, an administrator who resumes one, the bound of
 * starts, the gate, resize, time (whatever is due happens sooner or later).
 *
 * test-model.py checks each property, compares next_state() with tests/pool/vm-states.txt, and
 * runs each MUTATE_... to see that Spin finds what is wrong with it. */

#ifndef CAP_SMALL
#define CAP_SMALL 2 /* VMs of a tenant of the user of the small requests */
#endif
#ifndef CAP_USER
#define CAP_USER 2 /* VMs of that user */
#endif
#define N_VMS 2 /* slots; a VM that is not gone has one, so as many records will do */
#define MEMORY 2
#define N_CLIENTS 3
#define MAX_ATTEMPTS 2
#define NOBODY 3
#define VCPUS 1 /* with PAUSES; a VM has one */

/* client 0 asks for all of the memory, 1 and 2 for half of it; these are one tenant, or (NAMES) two
 * tenants of one user */
#ifndef SAME_SIZE
#define SIZE(c) (c == 0 -> 2 : 1)
#else
#define SIZE(c) 1
#endif
#ifndef NAMES
#define TENANT(c) (c == 0 -> 0 : 1)
#else
#define TENANT(c) c
#endif
#define USER(t) (t == 0 -> 0 : 1)
#define CAP(t) (t == 0 -> 2 : CAP_SMALL)
#define CAP_OF_USER(u) (u == 0 -> 2 : CAP_USER)
#ifdef PAUSES
#define WAKES(c) (phase[c] == holds) /* of one in the queue: it has a VM, which is paused */
#define HAS_VCPU_MORE(aside) (n_vcpus + aside < VCPUS)
#else
#define WAKES(c) false
#define HAS_VCPU_MORE(aside) true
#endif
#define HAS_VCPU HAS_VCPU_MORE (0)
#define IS_QUEUED(c) (queue[0] == c || queue[1] == c || queue[2] == c)
#define VM_OF(c) (whose[0] == c -> 0 : 1) /* of one that has one */
#define IS_CAPPED(c) \
  (!WAKES (c) && IS_CAPPED_HERE (c))
#define IS_CAPPED_HERE(c) \
  (held_of[TENANT (c)] >= CAP (TENANT (c)) || held_of_user[USER (c)] >= CAP_OF_USER (USER (c)))

mtype:state = { starting, warm, claimed, pausing, paused, waking_, stopping, stuck_, gone_ };
mtype:event = { started, warmed, claim, pause, suspended, wake, resumed, failed, destroy, stuck, gone };
mtype:phase = { idle, waiting, placed, holds };
mtype:operation = { nothing, start_run, start_warm, waking, suspending, resuming };

/* the core's */
mtype:state vm[N_VMS] = gone_;
bit generation[N_VMS];     /* of the VM in this record: events of the one before are late */
byte whose[N_VMS] = NOBODY;
bool is_delivered[N_VMS];
bit size2[N_VMS];          /* holds 2 of memory, not 1 */
byte tenant_of[N_VMS];
bool is_owned[N_VMS];      /* its tenant and user pay for it */
byte held_slots, held_memory;
byte held_of[3];           /* slots by tenant */
byte held_of_user[2];
bit turn;                  /* the user whose turn it is where both hold as much */

/* the clients' */
mtype:phase phase[N_CLIENTS] = idle;
byte attempts[N_CLIENTS];
bool is_aged; /* client 0's request: the others need no more than half, and are served in turn */
byte queue[N_CLIENTS] = NOBODY; /* in the order of arrival */
byte n_queued;
#ifdef PAUSES
bool has_turn_to_pause = true; /* the administrator's */
#endif

/* the hypervisor's */
mtype:operation operation[N_VMS] = nothing;
bool is_dying[N_VMS];
bool exists[N_VMS];
bit n_stuck[N_VMS];
bit n_noise[N_VMS];
#ifndef INBOX
#define INBOX 1 /* messages on their way; with 1, a client's may still overtake it */
#endif
chan inbox = [INBOX] of { mtype:event, byte, bit };

hidden byte i_, c_, v_, t_, first_, dying_slots, dying_memory, need_slots, need_memory;
hidden byte is_changed, is_served, is_known;

/* The life of a VM. Compared line by line with tests/pool/vm-states.txt. */
inline next_state(s, e)
{
  is_known = true;
  if
  :: s == starting && e == started -> s = claimed
  :: s == starting && e == warmed -> s = warm
  :: s == starting && e == failed -> s = stopping
  :: s == starting && e == destroy -> s = stopping
  :: s == starting && e == gone -> s = gone_
  :: s == warm && e == claim -> s = claimed
  :: s == warm && e == failed -> s = stopping
  :: s == warm && e == destroy -> s = stopping
  :: s == warm && e == gone -> s = gone_
  :: s == claimed && e == pause -> s = pausing
  :: s == claimed && e == suspended -> s = paused
  :: s == claimed && e == failed -> s = stopping
  :: s == claimed && e == destroy -> s = stopping
  :: s == claimed && e == gone -> s = gone_
  :: s == pausing && e == suspended -> s = paused
  :: s == pausing && e == resumed -> s = claimed
  :: s == pausing && e == destroy -> s = stopping
  :: s == pausing && e == gone -> s = gone_
  :: s == paused && e == wake -> s = waking_
  :: s == paused && e == resumed -> s = claimed
  :: s == paused && e == destroy -> s = stopping
  :: s == paused && e == gone -> s = gone_
  :: s == waking_ && e == suspended -> s = paused
  :: s == waking_ && e == resumed -> s = claimed
  :: s == waking_ && e == destroy -> s = stopping
  :: s == waking_ && e == gone -> s = gone_
  :: s == stopping && e == stuck -> s = stuck_
  :: s == stopping && e == gone -> s = gone_
  :: s == stuck_ && e == destroy -> s = stopping
  :: s == stuck_ && e == gone -> s = gone_
  :: else -> is_known = false
  fi
}

inline take(v, memory)
{
  held_slots++;
  held_memory = held_memory + memory;
  size2[v] = memory - 1
}

inline give(v)
{
  held_slots--;
  held_memory = held_memory - 1 - size2[v]
}

inline own(v, t)
{
  tenant_of[v] = t;
  is_owned[v] = true;
  held_of[t]++;
  held_of_user[USER (t)]++
}

inline disown(v)
{
  if
  :: is_owned[v] ->
     held_of[tenant_of[v]]--;
     held_of_user[USER (tenant_of[v])]--;
     is_owned[v] = false
  :: else
  fi
}

/* a new VM in record v, whose place is taken */
inline start(v, c, how)
{
  vm[v] = starting;
  generation[v] = (len (inbox) == 0 -> 0 : 1 - generation[v]); /* nothing late can come */
  whose[v] = c;
  is_delivered[v] = false;
  operation[v] = how;
  is_dying[v] = false;
  n_stuck[v] = 0;
  n_noise[v] = 0
}

inline find_free_record()
{
  v_ = 0;
  do
  :: v_ < N_VMS && vm[v_] != gone_ -> v_++
  :: else -> break
  od;
  assert (v_ < N_VMS)
}

inline leave_queue(c)
{
  i_ = 0;
  do
  :: queue[i_] == c -> break
  :: else -> i_++
  od;
  do
  :: i_ + 1 < n_queued -> queue[i_] = queue[i_ + 1]; i_++
  :: else -> break
  od;
  n_queued--;
  queue[n_queued] = NOBODY;
  is_aged = (c == 0 -> false : is_aged)
}

inline end_vm(v)
{
  next_state (vm[v], destroy);
  if
  :: is_known ->
     is_dying[v] = true;
#ifdef MUTATE_EARLY_RELEASE
     give (v)
#endif
  :: else
  fi
}

/* an idle warm VM for c, which wants one of its size; v_ == N_VMS if there is none */
inline find_warm(c)
{
  v_ = 0;
  do
  :: v_ < N_VMS && !(vm[v_] == warm && SIZE (c) == 1) -> v_++
  :: else -> break
  od
}

/* 5: c was served: no user that had less waits for as little, whatever names c's user has */
inline check_turn(c)
{
#ifdef SAME_SIZE
  i_ = 0;
  do
  :: i_ < n_queued ->
     assert (USER (queue[i_]) == USER (c) || IS_CAPPED (queue[i_]) ||
             held_of_user[USER (queue[i_])] >= held_of_user[USER (c)] - 1);
     i_++
  :: else -> break
  od
#else
  skip
#endif
}

/* vCPUs of what runs, starts, or keeps them for the next attempt */
inline count_vcpus()
{
  n_vcpus = 0;
#ifdef PAUSES
  i_ = 0;
  do
  :: i_ < N_VMS ->
     n_vcpus = n_vcpus +
       ((vm[i_] == starting || vm[i_] == claimed || vm[i_] == pausing || vm[i_] == waking_ ||
         ((vm[i_] == stopping || vm[i_] == stuck_) && whose[i_] != NOBODY)) -> 1 : 0);
     i_++
  :: else -> break
  od
#endif
}

/* it has a VM, and waits for a vCPU alone */
inline try_wake(c)
{
  v_ = 0;
  do
  :: whose[v_] == c -> break
  :: else -> v_++
  od;
  next_state (vm[v_], wake);
  assert (is_known);
  operation[v_] = resuming;
  leave_queue (c)
}

inline try_serve(c)
{
  is_served = false;
  count_vcpus ();
  find_warm (c);
  if
  :: !HAS_VCPU -> skip
  :: HAS_VCPU && WAKES (c) -> try_wake (c); is_changed = true
  :: HAS_VCPU && !WAKES (c) ->
  if
  :: v_ < N_VMS ->
     next_state (vm[v_], claim);
     whose[v_] = c;
     operation[v_] = waking;
     own (v_, TENANT (c));
     is_served = true
  :: else ->
     if
     :: held_slots < N_VMS && held_memory + SIZE (c) <= MEMORY ->
        find_free_record ();
        take (v_, SIZE (c));
        own (v_, TENANT (c));
        start (v_, c, start_run);
        is_served = true
     :: else
     fi
  fi
  fi;
  if
  :: is_served ->
     leave_queue (c);
     check_turn (c);
     phase[c] = placed;
     attempts[c] = 1;
     turn = 1 - USER (c)
  :: else
  fi
}

/* a place for c comes from VMs that are dying: is_served, and it is set aside */
inline try_cover(c)
{
  need_slots = (dying_slots > 0 -> 0 : 1);
  need_memory = (dying_memory >= SIZE (c) -> 0 : SIZE (c) - dying_memory);
  count_vcpus ();
  is_served = !WAKES (c) && held_slots + aside_slots + need_slots <= N_VMS &&
              held_memory + aside_memory + need_memory <= MEMORY &&
              HAS_VCPU_MORE (aside_vcpus);
  if
  :: is_served ->
     aside_vcpus++;
     dying_slots = dying_slots - 1 + need_slots;
     dying_memory = dying_memory - SIZE (c) + need_memory;
     aside_slots = aside_slots + need_slots;
     aside_memory = aside_memory + need_memory
  :: else
  fi
}

/* warm VMs, idle or being made, go if that makes the place of c; is_changed if they do */
inline try_evict(c)
{
  v_ = 0;
  do
  :: v_ < N_VMS ->
     if
     :: (vm[v_] == warm && !WAKES (c)) || (vm[v_] == starting && whose[v_] == NOBODY) ->
        end_vm (v_);
        is_changed = true
     :: else
     fi;
     v_++
  :: else -> break
  od
}

/* the n'th in order: of the user that holds less, or of the one whose turn it is where both hold as
 * much; within it the tenant that holds less, then who came first */
inline walk_order(n)
{
  first_ = ((held_of_user[0] < held_of_user[1] ||
             (held_of_user[0] == held_of_user[1] && turn == 0)) -> 0 : 1);
  t_ = 0;
  c_ = NOBODY;
  i_ = 0;
  do
  :: i_ < 4 * n_queued ->
     if
#ifndef MUTATE_NAMES_COUNT
     :: USER (queue[i_ % n_queued]) == (i_ < 2 * n_queued -> first_ : 1 - first_) &&
        (held_of[TENANT (queue[i_ % n_queued])] == 0) == ((i_ / n_queued) % 2 == 0) ->
#else
     :: i_ < 2 * n_queued &&
        (held_of[TENANT (queue[i_ % n_queued])] == 0) == (i_ < n_queued) ->
#endif
        if
        :: t_ == n -> c_ = queue[i_ % n_queued]; break
        :: else -> t_++
        fi
     :: else
     fi;
     i_++
  :: else -> break
  od
}

inline count_dying()
{
  dying_slots = 0;
  dying_memory = 0;
  v_ = 0;
  do
  :: v_ < N_VMS ->
     if
     :: vm[v_] == stopping && whose[v_] == NOBODY ->
        dying_slots++;
        dying_memory = dying_memory + 1 + size2[v_]
     :: else
     fi;
     v_++
  :: else -> break
  od
}

hidden byte n_, aside_slots, aside_memory, aside_vcpus, n_vcpus;
hidden byte wakes_only;

/* the big one is old: is a vCPU of use to it? */
#if defined (PAUSES) && !defined (MUTATE_OLD_KEEPS_VCPUS)
#define KEEPS_FROM_WAKES (held_slots < N_VMS && held_memory + SIZE (0) <= MEMORY)
#else
#define KEEPS_FROM_WAKES true
#endif

inline dispatch()
{
  is_changed = true;
  do
  :: is_changed ->
     is_changed = false;
     n_ = 0;
     aside_slots = 0;
     aside_memory = 0;
     aside_vcpus = 0;
     wakes_only = false;
     count_dying ();
     do
     :: n_ < n_queued ->
        walk_order (n_);
        if
        :: IS_CAPPED (c_) || (wakes_only && !WAKES (c_)) -> is_served = true /* holds nobody up */
        :: else ->
           is_served = false;
           if
           :: (aside_slots == 0 && aside_memory == 0) || (WAKES (c_) && aside_vcpus == 0) ->
              try_serve (c_);
              is_changed = is_changed || is_served
           :: else
           fi;
           if
           :: !is_served && !is_changed -> try_cover (c_)
           :: else
           fi;
           if
           :: !is_served && !is_changed -> try_evict (c_)
           :: else
           fi
        fi;
        if
        :: is_changed -> break
#ifndef MUTATE_NO_AGE_LIMIT
        :: !is_changed && !is_served && c_ == 0 && is_aged && KEEPS_FROM_WAKES -> break
        :: !is_changed && !is_served && c_ == 0 && is_aged && !KEEPS_FROM_WAKES ->
           wakes_only = true; n_++
        :: !is_changed && (is_served || c_ != 0 || !is_aged) -> n_++
#else
        :: else -> n_++
#endif
        fi
     :: else -> break
     od
  :: else -> break
  od
}

/* one warm VM is wanted, and made when nobody waits */
inline refill()
{
  count_vcpus ();
  t_ = 0;
  v_ = 0;
  do
  :: v_ < N_VMS ->
     t_ = t_ + ((vm[v_] == warm || (vm[v_] == starting && whose[v_] == NOBODY)) -> 1 : 0);
     v_++
  :: else -> break
  od;
  if
  :: n_queued == 0 && t_ == 0 && held_slots < N_VMS && held_memory < MEMORY && HAS_VCPU ->
     find_free_record ();
     take (v_, 1);
     start (v_, NOBODY, start_warm)
  :: else
  fi
}

/* after every message */
inline check()
{
  need_slots = 0;
  need_memory = 0;
  i_ = 0;
  do
  :: i_ < N_VMS ->
     if
     :: vm[i_] != gone_ ->
        need_slots++;
        need_memory = need_memory + 1 + size2[i_];
        assert (is_owned[i_] || vm[i_] != claimed)
     :: else ->
        assert (!exists[i_] && !is_owned[i_] && whose[i_] == NOBODY)
     fi;
     i_++
  :: else -> break
  od;
  assert (held_slots <= N_VMS && held_memory <= MEMORY);    /* 1 */
#ifdef PAUSES
  count_vcpus ();
  assert (n_vcpus <= VCPUS);
  /* 4: who has a VM does not wait beside a free vCPU, but for one that gets a place in a moment */
  count_dying ();
  assert (!HAS_VCPU || dying_slots > 0 ||
          !((WAKES (0) && IS_QUEUED (0)) || (WAKES (1) && IS_QUEUED (1)) ||
            (WAKES (2) && IS_QUEUED (2))));
#endif
  assert (held_slots == need_slots);                        /* 2: none is lost, none given twice */
  assert (held_memory == need_memory);
  assert (held_of[0] <= CAP (0) && held_of[1] <= CAP (1) && held_of[2] <= CAP (2)); /* 5 */
  assert (held_of_user[0] <= CAP_OF_USER (0) && held_of_user[1] <= CAP_OF_USER (1));
  assert (held_of_user[0] == held_of[0] && held_of_user[1] == held_of[1] + held_of[2]);
  if
  :: n_queued > 0 ->
     walk_order (0);
     count_vcpus ();
     assert (IS_CAPPED (c_) || !HAS_VCPU ||
             (!WAKES (c_) && (held_slots == N_VMS || held_memory + SIZE (c_) > MEMORY))) /* 4 */
  :: else
  fi
}

inline settle()
{
  dispatch ();
  refill ();
  check ();
  i_ = 0; c_ = 0; v_ = 0; t_ = 0; first_ = 0
}

inline hand_over(v)
{
  is_delivered[v] = true;
  phase[whose[v]] = holds;
  attempts[whose[v]] = 0
}

/* the client has nothing to do with v any more */
inline let_go(v)
{
#ifdef PAUSES
  i_ = 0;
  do
  :: i_ < n_queued && queue[i_] != whose[v] -> i_++
  :: else -> break
  od;
  if
  :: i_ < n_queued -> leave_queue (whose[v]) /* it waited for it to run */
  :: else
  fi;
#endif
  phase[whose[v]] = idle;
  attempts[whose[v]] = 0;
  whose[v] = NOBODY
}

/* what comes of the waiter of v, whose start or claim went wrong; it inherits the place if it may */
inline retry(v)
{
  if
  :: whose[v] != NOBODY && attempts[whose[v]] < MAX_ATTEMPTS -> attempts[whose[v]]++
  :: whose[v] != NOBODY && attempts[whose[v]] == MAX_ATTEMPTS ->
     let_go (v)
  :: else
  fi
}

/* nothing of it matters any more: fewer states */
inline forget(v)
{
  is_delivered[v] = false;
  size2[v] = 0;
  tenant_of[v] = 0;
  n_stuck[v] = 0;
  n_noise[v] = 0;
  is_dying[v] = false;
  operation[v] = nothing;
  generation[v] = (len (inbox) == 0 -> 0 : generation[v])
}

inline handle_gone(v)
{
  if
  :: is_delivered[v] && whose[v] != NOBODY -> let_go (v)
  :: !is_delivered[v] && vm[v] != stopping && vm[v] != stuck_ -> retry (v)
  :: else
  fi;
  next_state (vm[v], gone);
  if
  :: whose[v] != NOBODY -> start (v, whose[v], start_run) /* in the same place */
  :: else ->
#ifndef MUTATE_EARLY_RELEASE
     give (v);
#endif
#ifdef MUTATE_LOST_SLOT
     if
     :: n_stuck[v] > 0 -> held_slots++
     :: else
     fi;
#endif
     disown (v);
     forget (v)
  fi
}

inline handle(e, v)
{
  if
  :: e == started ->
     if
     :: whose[v] == NOBODY -> next_state (vm[v], warmed)
     :: else ->
        next_state (vm[v], started);
        if
        :: is_known -> hand_over (v)
        :: else
        fi
     fi
  :: e == claim -> /* the hypervisor's CLAIMED */
     if
     :: vm[v] == claimed && !is_delivered[v] -> hand_over (v)
     :: else
     fi
  :: e == failed ->
     if
     :: !is_delivered[v] ->
        next_state (vm[v], failed);
        if
        :: is_known -> is_dying[v] = true; retry (v)
        :: else
        fi
     :: else
     fi
#ifdef PAUSES
  :: e == suspended ->
     if
     :: is_delivered[v] -> next_state (vm[v], suspended)
     :: else
     fi
  :: e == resumed ->
     if
     :: is_delivered[v] && vm[v] != paused -> next_state (vm[v], resumed)
     :: else
     fi
#endif
  :: e == stuck ->
     next_state (vm[v], stuck);
     if
     :: is_known && whose[v] != NOBODY -> let_go (v)
     :: else
     fi
  :: e == gone -> handle_gone (v)
  fi
}

active proctype Core ()
{
  mtype:event e;
  byte v;
  bit g;

  do
  :: d_step {
       inbox ? e, v, g ->
       if
       :: g == generation[v] && vm[v] != gone_ -> handle (e, v)
#ifdef MUTATE_DOUBLE_RELEASE
       :: e == gone && !(g == generation[v] && vm[v] != gone_) && held_slots > 0 -> held_slots--
#endif
       :: else
       fi;
#ifdef MUTATE_LOST_WAKE_UP
       if
       :: e == gone -> check ()
       :: else -> settle ()
       fi;
#else
       settle ();
#endif
       e = started; v = 0; g = 0
     }
  od
}

/* What becomes of the VM of record v, and when it is tried again if it is stuck. */
proctype Hypervisor (byte v)
{
  do
  :: atomic { operation[v] != nothing && nfull (inbox) ->
       if
       :: operation[v] == waking -> inbox ! claim, v, generation[v]
       :: operation[v] == start_run || operation[v] == start_warm ->
          exists[v] = true; inbox ! started, v, generation[v]
       :: operation[v] != suspending && operation[v] != resuming ->
          inbox ! failed, v, generation[v]
       :: operation[v] == start_run || operation[v] == start_warm ->
          exists[v] = true; inbox ! failed, v, generation[v]
#ifdef PAUSES
       :: operation[v] == suspending -> inbox ! suspended, v, generation[v]
       :: operation[v] == suspending -> inbox ! resumed, v, generation[v]
       :: operation[v] == resuming -> inbox ! resumed, v, generation[v]
       :: operation[v] == resuming -> inbox ! suspended, v, generation[v]
#endif
       fi;
       operation[v] = nothing }
  :: atomic { is_dying[v] && nfull (inbox) ->
       is_dying[v] = false;
       if
       :: n_stuck[v] == 0 && exists[v] -> n_stuck[v] = 1; inbox ! stuck, v, generation[v]
       :: exists[v] = false; operation[v] = nothing; inbox ! gone, v, generation[v]
       fi }
#ifdef PAUSES
  /* virsh suspend */
  :: atomic { has_turn_to_pause && vm[v] == claimed && is_delivered[v] && nfull (inbox) ->
       has_turn_to_pause = false; inbox ! suspended, v, generation[v] }
#endif
  /* it ends by itself */
  :: atomic { exists[v] && !is_dying[v] && nfull (inbox) ->
       exists[v] = false; operation[v] = nothing; inbox ! gone, v, generation[v] }
#ifndef NO_NOISE
  /* whatever is said late or twice; but of a VM that exists nobody says that it is gone */
  :: atomic { n_noise[v] == 0 && nfull (inbox) ->
       n_noise[v] = 1;
       if
       :: operation[v] == nothing -> inbox ! started, v, generation[v]
       :: operation[v] == nothing -> inbox ! claim, v, generation[v]
       :: operation[v] == nothing -> inbox ! failed, v, generation[v]
       :: inbox ! stuck, v, generation[v]
       :: !exists[v] && operation[v] == nothing -> inbox ! gone, v, generation[v]
       fi }
#endif
  :: d_step { vm[v] == stuck_ && !is_dying[v] -> end_vm (v); settle () }
  od
}

proctype Client (byte c)
{
  byte v;

  do
  :: d_step { phase[c] == idle ->
       phase[c] = waiting; queue[n_queued] = c; n_queued++; settle () }
  :: d_step { c == 0 && phase[c] == waiting && !is_aged -> is_aged = true; settle () }
#ifdef CANCELS
  :: d_step { phase[c] == waiting -> leave_queue (c); phase[c] = idle; settle () }
  :: d_step { phase[c] == placed ->
       v = 0;
       do
       :: whose[v] == c -> break
       :: else -> v++
       od;
       let_go (v); end_vm (v); v = 0; settle () }
#endif
  :: d_step { phase[c] == holds ->
       v = 0;
       do
       :: whose[v] == c -> break
       :: else -> v++
       od;
       let_go (v); end_vm (v); v = 0; settle () }
#ifdef PAUSES
  /* it pauses its VM, or wants it to run */
  :: d_step { phase[c] == holds && vm[VM_OF (c)] == claimed ->
       next_state (vm[VM_OF (c)], pause); operation[VM_OF (c)] = suspending; settle () }
  :: d_step { phase[c] == holds && vm[VM_OF (c)] == paused && !IS_QUEUED (c) ->
       queue[n_queued] = c; n_queued++; settle () }
#endif
  od
}

init
{
  atomic {
    run Hypervisor (0);
    run Hypervisor (1);
    run Client (0);
    run Client (1);
    run Client (2)
  }
}

/* 3, 4, 5: who waits is admitted sooner or later; the big one, too */
ltl big { [] (phase[0] == waiting -> <> (phase[0] != waiting)) }
ltl small { [] (phase[1] == waiting -> <> (phase[1] != waiting)) }
#ifdef PAUSES
ltl woken { [] ((phase[1] == holds && IS_QUEUED (1)) -> <> !(phase[1] == holds && IS_QUEUED (1))) }
#endif
