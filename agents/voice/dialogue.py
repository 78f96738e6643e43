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
from .spoken import result
from .utterances import words_of
from .wishes import Elsewhere, Stop, asked_about, chosen, elsewhere, moved, to_stop, where
from .written import written

# How long an answer waits for a plan, and then for what is planned.
_PLAN_S = 6.0
_WAIT_S = 6.0
_NO_HANDS = "I cannot do that: I am not connected to your devices."
_YES = frozenset(words_of("yes yeah yep sure okay ok allow approve"))
_NO = frozenset(words_of("no nope not don't never deny refuse"))

# "Stop the server" and "wait until it is there" are requests.
_OPENING = re.compile(
    r"^((stop|wait|hold on)[,.!]+\s+|"
    r"(no|ok|okay|well|so|hi|hello|hey|thanks|thank you|please)[,.!]*\s+)+",
    re.IGNORECASE,
)
_DEVICES = re.compile(
    r"(which|what) (devices|machines|computers)( do you (have|know)| are (there|up|connected))?"
)


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of an act, in words, and of which work."""

    text: str
    work: str = ""
    found: Outcome | Asked | None = None


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
            yield _listed(devices) if devices else "No device is connected."
        elif (works := asked_about(prompt, self.working)) is not None:
            yield self._progress(works)
        elif (meant := self._elsewhere(prompt)) is not None:
            yield from self._do_elsewhere(self._hands, meant)
        else:
            yield from self.do(_request(prompt))

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
            yield f"Devices: {_listed(self._hands.devices())}"
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
        for work, title in list(self.working.items()):
            if self._hands is None or work in self._waited:
                continue
            try:
                if self._is_planning(self._hands, work, within_s):
                    continue
            except ConstellationError as error:
                yield f"About {title}: {error}"
                self._drop(work)
                continue
            try:
                found = self._hands.outcome(work, within_s)
            except UnknownConstellationError:
                yield f"I have lost sight of {title}."
                self._drop(work)
                continue
            except ConstellationError:
                # The hub is away: it may know when it is back.
                continue
            if found is not None and found != self._asked:
                yield f"About {title}: {self._told(found)}"
                self._forget(work, found)

    def _doing(self, act: Callable[[], _Done]) -> Iterator[str | Working]:
        """Act, and tell what came of it. What nobody hears to its end is announced later."""
        yield Working(True)
        self._choices = {}
        done = _Done("")
        try:
            try:
                done = act()
            except ConstellationError as error:
                done = _Done(str(error))
            yield Working(False)
            yield done.text
            self._forget(done.work, done.found)
        finally:
            self._waited.discard(done.work)

    def _start(self, hands: Hands, request: str) -> _Done:
        try:
            work, title = hands.submit(request, _PLAN_S)
        except PlanError as error:
            places = where(error, request)
            if not places:
                raise
            return self._ask_which(
                f"On which device: {_joined(list(places), 'or')}?",
                {name: _Choice(name, partial(self._start, hands, places[name])) for name in places},
            )
        self._last = work, request
        self._waited.add(work)
        self.working[work] = request if title is None else title
        if title is None:
            self._planning.add(work)
            text = f"It takes long to plan that: {request}. I will tell you when it is done."
            return _Done(text, work)
        return self._wait(hands, work)

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

    def _wait(self, hands: Hands, work: str) -> _Done:
        self._waited.add(work)
        try:
            found = hands.outcome(work, _WAIT_S)
        except ConstellationError:
            self._waited.discard(work)
            raise
        if found is None:
            text = f"I am at it: {self.working[work]}. I will tell you when it is done."
            return _Done(text, work)
        return _Done(self._told(found), work, found)

    def _forget(self, work: str, found: Outcome | Asked | None) -> None:
        """It was told; if it has ended, that was all."""
        if isinstance(found, Outcome):
            self._drop(work)

    def _told(self, found: Outcome | Asked) -> str:
        if isinstance(found, Asked):
            self._asked = found
            return f"{found.prompt} Yes or no?" if found.approval else found.prompt
        match found.state:
            case "completed":
                return result(found.output)
            case "canceled":
                return "It was canceled."
        return f"It failed. {result(found.output)}"

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
        return self._wait(hands, asked.work)

    def _cancel(self, stop: Stop) -> Iterator[str | Working]:
        if not stop.works or self._hands is None:
            yield "Okay."
        elif stop.unclear:
            titles = {work: self.working[work] for work in stop.works}
            hands = self._hands
            yield from self._doing(
                lambda: self._ask_which(
                    f"Which one: {_joined(list(titles.values()), 'or')}?",
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
        return _Done(f"I have stopped it: {_listed(titles)}")

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
        return " ".join(f"{said}: {_listed(titles)}" for said, titles in parts if titles)

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
            question = f"Which one do you mean: {_joined(meant.choices, 'or')}?"
            yield from self._doing(partial(self._ask_which, question, choices))
        else:
            yield "There is no other one."

    def _start_instead(self, hands: Hands, work: str, request: str) -> _Done:
        runs = work in self.working and work not in self._planning
        title = hands.amend(work, request, _PLAN_S) if runs else None
        if title is not None:
            self._last = work, request
            self.working[work] = title
            return self._wait(hands, work)
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


def _request(prompt: str) -> str:
    """What is wanted, as it would be typed, without the words by which people take the floor."""
    return written(_OPENING.sub("", prompt).rstrip(" .,;:!?"))


def _listed(names: Sequence[str]) -> str:
    return f"{_joined(names, 'and')}." if names else "There are none."


def _joined(names: Sequence[str], by: str) -> str:
    *others, last = names
    return f"{', '.join(others)} {by} {last}" if others else last
