/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One place of a domain, with VM after VM in it, in every order in which libvirt's events and berth's
 * own calls can come.
 *
 * What it has of the code: a name and uuid that all lives share, libvirt's number of each; events that
 * come late, of an end with its number or (libvirt's own destroy) without one; calls that a machine
 * has sent and that find the domain by its uuid whenever they come; guests that end by themselves; a
 * connection that is lost, with the events of that time, and the comparison with libvirt after it.
 *
 * test-model.py checks it, and runs each MUTATE_... to see that Spin finds what is wrong with it. */

#define LIVES 3
#define UNNUMBERED 0

byte domain; /* libvirt: the number of the life that it is in, 0: it is shut off */
bool is_theirs; /* an administrator has started it, and nobody's VM is in it: it is ended */
byte numbers; /* that were given */
chan events = [4] of { bool, byte }; /* an end?, the number that is told */

mtype = { none, up, ending };
mtype machine = none;
byte life; /* the machine's */
byte calls; /* under way: each for the life that it was sent in */
byte call_life;
byte last; /* the life that an event has told last */
bool is_connected = true;
bool is_compared = true;

#define TELL(is_end, number) \
  if \
  :: is_connected -> events!is_end, number \
  :: else -> skip \
  fi

/* the place is not taken by another machine while a call of the last one is under way */
#ifdef MUTATE_TAKEN_AT_ONCE
#define PLACE_IS_FREE (machine == none)
#else
#define PLACE_IS_FREE (machine == none && calls == 0)
#endif

#ifdef MUTATE_BY_UUID
#define IS_OF(number) true
#else
#define IS_OF(number) (number == 0 || number == life)
#endif
/* an end of a life that nobody knows the number of */
#if defined (MUTATE_BY_UUID) || defined (MUTATE_UNKNOWN_IS_OURS)
#define NEEDS_LOOK(number) false
#else
#define NEEDS_LOOK(number) (number == 0)
#endif

active proctype libvirt ()
{
end:
  do
  :: atomic { domain != 0 && numbers < LIVES + 1 && len (events) < 3 -> /* a guest that ends by itself */
       TELL (true, domain); domain = 0 }
  od
}

/* Berth's main thread and workers, as far as they are of one place. */
active proctype berth ()
{
  bool is_end;
  byte number;
end:
  do
  :: atomic { is_connected && is_compared && PLACE_IS_FREE && domain == 0 && numbers < LIVES && len (events) < 3 ->
       numbers++; is_theirs = false; domain = numbers; life = numbers; machine = up; TELL (false, domain) }
  :: atomic { machine == up && calls == 0 -> calls = 1; call_life = life }
  :: atomic { calls == 1 -> /* it comes: it may not find the life of another */
       assert (domain == 0 || domain == call_life || is_theirs); calls = 0 }
  :: atomic { machine == up -> machine = ending }
  :: atomic { machine == ending && is_connected && domain == life && len (events) < 3 -> domain = 0;
       if
       :: true -> TELL (true, UNNUMBERED) /* destroyed */
       :: true -> TELL (true, life) /* it was asked to quit */
       fi;
       machine = none }
  :: atomic { machine == ending && is_connected && domain != life -> machine = none } /* it has ended */
  :: atomic { events?is_end, number ->
       if
       :: number == UNNUMBERED -> number = last
       :: else -> last = number
       fi;
       if
       :: is_end -> last = 0;
          if
          :: machine == up && NEEDS_LOOK (number) -> /* libvirt is asked */
             if
             :: domain != life -> machine = ending
             :: else -> skip
             fi
          :: machine == up && !NEEDS_LOOK (number) && IS_OF (number) -> assert (domain != life); machine = ending
          :: else -> skip
          fi
       :: else -> skip
       fi;
       number = 0; is_end = false }
  :: atomic { is_connected && len (events) == 0 && numbers < LIVES -> is_connected = false; is_compared = false }
  :: atomic { !is_connected -> is_connected = true; last = 0 }
  :: atomic { is_connected && !is_compared ->
#ifndef MUTATE_ACTIVE_IS_ENOUGH
       if
       :: machine == up && domain != life -> machine = ending
       :: else -> skip
       fi;
#else
       if
       :: machine == up && domain == 0 -> machine = ending
       :: else -> skip
       fi;
#endif
       is_compared = true }
  :: atomic { domain == 0 && numbers < LIVES && len (events) < 3 -> /* by an administrator */
       numbers++; is_theirs = true; domain = numbers; TELL (false, domain) }
  :: atomic { domain != 0 && domain != life && len (events) < 3 -> domain = 0; TELL (true, UNNUMBERED) }
  /* where nothing is left to be told, what is up is there */
  :: atomic { machine == up && is_connected && is_compared && len (events) == 0 -> assert (domain == life) }
  od
}
