"""What to say: small talk by templates, and everything else with the fabric as hands.

Works without a language model. A request is planned first: what cannot be planned is told with its
remedy and nothing is done. A plan that takes long, as a model's may, and work that does, go on
without the answer waiting for them; their end is announced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from constellation.errors import ConstellationError, PlanError, UnknownConstellationError

from .audience import Audience, Wish, wish_of
from .hands import Asked, Hands, Outcome
from .ports import Said, Working
from .small_talk import small_talk
from .sound import Samples
from .spoken import ending, joined, listed
from .utterances import words_of
from .wishes import Elsewhere, Stop, asked_about, chosen, elsewhere, moved, to_stop, where
from .written import requested

# An answer waits for what it has begun: so often, for so long.
_LOOKS = 12
_LOOK_S = 0.5
_NO_HANDS = "I cannot do that: I am not connected to your devices."
_YES = frozenset(words_of("yes yeah yep sure okay ok allow approve"))
_NO = frozenset(words_of("no nope not don't never deny refuse"))

_DEVICES = re.compile(
    r"(which|what) (devices|machines|computers)( do you (have|know)| are (there|up|connected))?"
)


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of an act, in words, and of which work; ``waits`` if there may soon be more."""

    text: str
    work: str = ""
    found: Outcome | Asked | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is done if the person chooses it, when asked which one; ``title`` names it."""

    title: str
    act: Callable[[], _Done]


class Dialogue:
    """The mind of one conversation.

    Args:
        hands: None if there are none, for which it apologises.
        audience: takes the person's wish who may interrupt; None if it cannot be changed by words.

    Attributes:
        working: work that has not ended when it was last looked at, by id, and what it is called.
    """

    def __init__(self, hands: Hands | None = None, audience: Audience | None = None) -> None:
        self.working: dict[str, str] = {}
        self._hands = hands
        self._audience = audience
        self._last: tuple[str, str] | None = None
        self._asked: Asked | None = None
        self._choices: dict[str, _Choice] = {}
        self._waited: set[str] = set()
        self._planning: set[str] = set()

    def owns(self, prompt: str) -> bool:
        """Whether this is for the dialogue alone, and for no language model in front of it.

        Stopping, the answer to a question of a device or of the dialogue itself, who may interrupt,
        and where the last request should have been done.
        """
        if self._asked is not None or to_stop(prompt, self.working) is not None:
            return True
        if self._audience is not None and wish_of(prompt) is not None:
            return True
        return self._chosen(prompt) is not None or self._elsewhere(prompt) is not None

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        """See `agents.voice.ports.Mind`."""
        said = " ".join(words_of(prompt))
        asked = self._asked
        if (stop := to_stop(prompt, self.working)) is not None:
            yield from self._cancel(stop)
        elif self._hands is not None and asked is not None:
            yield from self._answer_question(self._hands, asked, prompt)
        elif (choice := self._chosen(prompt)) is not None:
            yield from self._doing(choice.act)
        elif self._audience is not None and (wish := wish_of(prompt)) is not None:
            yield from self._heed(self._audience, wish)
        elif (reply := small_talk(prompt)) is not None:
            yield reply
        elif self._hands is None:
            yield _NO_HANDS
        elif _DEVICES.fullmatch(said):
            devices = self._hands.devices()
            yield listed(devices) if devices else "No device is connected."
        elif (works := asked_about(prompt, self.working)) is not None:
            yield self._progress(works)
        elif (meant := self._elsewhere(prompt)) is not None:
            yield from self._do_elsewhere(self._hands, meant)
        else:
            yield from self.do(requested(prompt))

    def do(self, request: str) -> Iterator[str | Working]:
        """Have the fabric do something; the text is what came of it."""
        if self._hands is None:
            yield _NO_HANDS
        else:
            yield from self._doing(partial(self._start, self._hands, request))

    def look(self) -> Iterator[str | Working]:
        """Which devices there are, and what goes on."""
        if self._hands is None:
            yield _NO_HANDS
        else:
            yield f"Devices: {listed(self._hands.devices())}"
            yield self._progress(list(self.working))

    def stop(self, what: str) -> Iterator[str | Working]:
        """Stop work by words of its title."""
        stop = to_stop(f"stop {what}", self.working)
        if stop is None or not stop.works:
            yield "No such work goes on."
        else:
            yield from self._cancel(stop)

    def change(self, what: str, request: str) -> Iterator[str | Working]:
        """Have work, by words of its title, become something else, or stop it and do that."""
        stop = to_stop(f"stop {what}", self.working)
        if self._hands is None or stop is None or stop.unclear or len(stop.works) != 1:
            yield f"It is not clear which work is meant. {self._progress(list(self.working))}"
        else:
            start = partial(self._start_instead, self._hands, stop.works[0], request)
            yield from self._doing(start)

    @property
    def busy(self) -> bool:
        """Whether work goes on that waits for no answer of the person."""
        return any(self._asked is None or work != self._asked.work for work in self.working)

    def ended(self, within_s: float = 0.1) -> Iterator[str]:
        """What is to be announced: work that has ended, or asks, since it was started.

        Args:
            within_s: how long to look at each.
        """
        for work in list(self.working):
            if self._hands is None or work in self._waited:
                continue
            found = self._news(self._hands, work, within_s)
            # It may have been stopped meanwhile.
            title = self.working.get(work)
            if found is not None and title is not None:
                yield f"About {title}: {self._told(found)}"
                self._forget(work, found)

    def _news(self, hands: Hands, work: str, within_s: float) -> Outcome | Asked | None:
        """What has come of some work that was not told yet."""
        try:
            if self._is_planning(hands, work, within_s):
                return None
        except ConstellationError as error:
            return Outcome("refused", str(error))
        try:
            found = hands.outcome(work, within_s)
        except UnknownConstellationError:
            return Outcome("lost", None)
        except ConstellationError:
            # The hub is away: it may know when it is back.
            return None
        return None if found == self._asked else found

    def _doing(self, act: Callable[[], _Done]) -> Iterator[str | Working]:
        """Act, wait a while for what comes of it, and tell that.

        What nobody hears to its end is announced later.
        """
        yield Working(True)
        self._choices = {}
        done = _Done("")
        work = ""
        try:
            try:
                done = act()
                work = done.work
                for look in range(_LOOKS):
                    if not done.waits or self._hands is None:
                        break
                    if look:
                        # Whoever interrupts is heeded here.
                        yield Working(True)
                    done = self._looked(self._hands, work)
            except ConstellationError as error:
                done = _Done(str(error))
            yield Working(False)
            yield done.text
            self._forget(done.work, done.found)
        finally:
            self._waited.discard(work)

    def _start(self, hands: Hands, request: str) -> _Done:
        try:
            work, title = hands.submit(request, _LOOK_S)
        except PlanError as error:
            return self._not_planned(hands, request, error)
        self._last = work, request
        self.working[work] = request if title is None else title
        if title is None:
            self._planning.add(work)
        return self._begun(work)

    def _not_planned(self, hands: Hands, request: str, error: ConstellationError) -> _Done:
        """Ask where it is to be done, if that is all that is not clear; else raise the error."""
        places = where(error, request) if isinstance(error, PlanError) else {}
        if not places:
            raise error
        return self._ask_which(
            f"On which device: {joined(list(places), 'or')}?",
            {name: _Choice(name, partial(self._start, hands, places[name])) for name in places},
        )

    def _begun(self, work: str) -> _Done:
        """It goes on, and is waited for."""
        self._waited.add(work)
        title = self.working[work]
        so_far = "It takes long to plan that" if work in self._planning else "I am at it"
        text = f"{so_far}: {title}. I will tell you when it is done."
        return _Done(text, work, waits=True)

    def _looked(self, hands: Hands, work: str) -> _Done:
        """What has come of some work by now."""
        try:
            if self._is_planning(hands, work, _LOOK_S):
                return self._begun(work)
        except ConstellationError as error:
            request = self.working[work]
            self._drop(work)
            return self._not_planned(hands, request, error)
        found = hands.outcome(work, _LOOK_S)
        return self._begun(work) if found is None else _Done(self._told(found), work, found)

    def _is_planning(self, hands: Hands, work: str, within_s: float) -> bool:
        """Whether nothing is planned yet for some work.

        Raises:
            ConstellationError: it cannot be planned.
        """
        if work not in self._planning:
            return False
        title = hands.planned(work, within_s)
        if title is not None:
            self._planning.discard(work)
            # It may have been stopped meanwhile.
            if work in self.working:
                self.working[work] = title
        return title is None

    def _drop(self, work: str) -> None:
        """Nothing more is known of it."""
        self.working.pop(work, None)
        self._planning.discard(work)

    def _ask_which(self, question: str, choices: dict[str, _Choice]) -> _Done:
        self._choices = choices
        return _Done(question)

    def _chosen(self, prompt: str) -> _Choice | None:
        titles = {key: choice.title for key, choice in self._choices.items()}
        key = chosen(prompt, titles)
        return None if key is None else self._choices[key]

    def _forget(self, work: str, found: Outcome | Asked | None) -> None:
        """It was told; if it has ended, that was all."""
        if isinstance(found, Outcome):
            self._drop(work)

    def _told(self, found: Outcome | Asked) -> str:
        if isinstance(found, Asked):
            self._asked = found
            return f"{found.prompt} Yes or no?" if found.approval else found.prompt
        return ending(found)

    def _answer_question(self, hands: Hands, asked: Asked, prompt: str) -> Iterator[str | Working]:
        words = set(words_of(prompt))
        yes, no = bool(words & _YES), bool(words & _NO)
        if asked.approval and yes == no:
            yield f"I need a yes or a no. {asked.prompt}"
            return
        yield from self._doing(
            partial(self._reply, hands, asked, yes if asked.approval else prompt)
        )

    def _reply(self, hands: Hands, asked: Asked, answer: bool | str) -> _Done:
        self._asked = None
        hands.reply(asked, answer)
        return self._begun(asked.work)

    def _cancel(self, stop: Stop) -> Iterator[str | Working]:
        if not stop.works or self._hands is None:
            yield "Okay."
        elif stop.unclear:
            titles = {work: self.working[work] for work in stop.works}
            hands = self._hands
            yield from self._doing(
                lambda: self._ask_which(
                    f"Which one: {joined(list(titles.values()), 'or')}?",
                    {
                        work: _Choice(title, partial(self._stop, hands, (work,)))
                        for work, title in titles.items()
                    },
                )
            )
        else:
            yield from self._doing(partial(self._stop, self._hands, stop.works))

    def _stop(self, hands: Hands, works: Sequence[str]) -> _Done:
        titles = [self.working[work] for work in works]
        for work in works:
            self._let_go(hands, work)
        return _Done(f"I have stopped it: {listed(titles)}")

    def _let_go(self, hands: Hands, work: str) -> None:
        """Stop some work, if it still goes on."""
        if work not in self.working:
            return
        self._drop(work)
        if self._asked is not None and self._asked.work == work:
            self._asked = None
        hands.cancel(work)

    def _progress(self, works: Sequence[str]) -> str:
        if not works:
            return "I am doing nothing at the moment."
        begun = [self.working[work] for work in works if work not in self._planning]
        planned = [self.working[work] for work in works if work in self._planning]
        parts = [("I am still at it", begun), ("I am still planning it", planned)]
        return " ".join(f"{said}: {listed(titles)}" for said, titles in parts if titles)

    def _elsewhere(self, prompt: str) -> Elsewhere | None:
        """What the last request becomes, if it should have been done elsewhere."""
        if self._hands is None or self._last is None:
            return None
        return elsewhere(prompt, self._last[1], self._hands.devices())

    def _do_elsewhere(self, hands: Hands, meant: Elsewhere) -> Iterator[str | Working]:
        last = self._last
        if meant.device and last is not None:
            yield from self._doing(partial(self._start_instead, hands, last[0], meant.request))
        elif meant.choices and last is not None:
            names = hands.devices()
            choices = {
                name: _Choice(
                    name,
                    partial(self._start_instead, hands, last[0], moved(meant.request, name, names)),
                )
                for name in meant.choices
            }
            question = f"Which one do you mean: {joined(meant.choices, 'or')}?"
            yield from self._doing(partial(self._ask_which, question, choices))
        else:
            yield "There is no other one."

    def _start_instead(self, hands: Hands, work: str, request: str) -> _Done:
        runs = work in self.working and work not in self._planning
        title = hands.amend(work, request, _LOOKS * _LOOK_S) if runs else None
        if title is not None:
            self._last = work, request
            self.working[work] = title
            return self._begun(work)
        self._let_go(hands, work)
        return self._start(hands, request)

    def _heed(self, audience: Audience, wish: Wish) -> Iterator[str | Working]:
        yield Working(True)
        audience.wish = wish
        yield Working(False)
        if wish is Wish.EVERYONE:
            yield "Everyone may interrupt me now."
        else:
            yield "Then let me hear fifteen seconds of the voice that may interrupt me, please."
