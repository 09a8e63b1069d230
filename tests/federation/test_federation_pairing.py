"""Cards, six words, and sealing: what two banks have of each other before the first frame."""

from __future__ import annotations

import hashlib

import pytest

from federation.protocol.card import Card, card_hash, check_answer, open_card, sign_card, words_of
from federation.protocol.sealing import seal, seal_private, seal_public, sealing_info, unseal
from federation.protocol.words import _list, compare_words, six_words, words_digest
from ledger.errors import Problem
from ledger.facts.links import Neighbour
from ledger.format.keys import encode_key
from tests.kit.neighbours import ELM, LINK, OAK, key_of

pytestmark = pytest.mark.usefixtures("kept_in")


def card_of(origin: str, answers: str = "", seed: str = "") -> Card:
    key, checkpoint = key_of(seed or origin), key_of(f"{origin} checkpoint")
    keys = [encode_key(key.public.raw), seal_public(key), encode_key(checkpoint.public.raw)]
    return Card(LINK, Neighbour(origin, "0" * 64, origin.title(), *keys), "2" * 32, answers)


def code_of(work: object) -> str:
    with pytest.raises(Problem) as refused:
        work()  # type: ignore[operator]
    return refused.value.code


def test_both_sides_of_a_pairing_see_the_same_six_words() -> None:
    invitation = card_of(OAK)
    raw = sign_card(invitation, key_of(OAK))
    answer = card_of(ELM, card_hash(open_card(raw)))
    back = open_card(sign_card(answer, key_of(ELM)))
    check_answer(invitation, back)
    assert words_of(invitation, back) == words_of(open_card(raw), answer)
    assert len(set(words_of(invitation, back))) > 1


def test_whoever_puts_his_own_card_between_changes_the_words() -> None:
    invitation, answer = card_of(OAK), card_of(ELM, card_hash(card_of(OAK)))
    between = card_of(OAK, seed="mallory")
    assert words_of(invitation, answer) != words_of(between, card_of(ELM, card_hash(between)))


def test_a_card_that_is_changed_anywhere_is_refused() -> None:
    raw = sign_card(card_of(OAK)._replace(until="2026-12-20"), key_of(OAK))
    for place in range(len(raw)):
        spoiled = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert code_of(lambda spoiled=spoiled: open_card(spoiled)) in {"bad_card", "bad_signature", "weak_key"}
    assert code_of(lambda: open_card(raw[:-30])) == "bad_card"
    assert code_of(lambda: open_card(raw + bytes(5000))) == "bad_card"


def test_a_card_answers_one_invitation_of_another_bank() -> None:
    invitation = card_of(OAK)
    answer = card_of(ELM, card_hash(invitation))
    assert code_of(lambda: check_answer(invitation, answer._replace(answers="A" * 43))) == "card_mismatch"
    assert code_of(lambda: check_answer(invitation, answer._replace(link="1" * 32))) == "card_mismatch"
    assert code_of(lambda: check_answer(answer, answer)) == "card_mismatch"
    assert code_of(lambda: open_card(sign_card(answer._replace(until="2026-12-20"), key_of(ELM)))) == "bad_card"
    ourselves = card_of(OAK, card_hash(invitation))
    assert code_of(lambda: check_answer(invitation, ourselves)) == "own_bank"


def test_words_are_compared_as_people_say_them() -> None:
    words = six_words("a", "b")
    compare_words(" ".join(words), words)
    compare_words(", ".join(word.upper() for word in words), words)
    compare_words("-".join(word[:4] for word in words), words)
    other = next(word for word in _list() if word not in words)
    assert code_of(lambda: compare_words(" ".join([*words[:5], other]), words)) == "words_differ"
    assert code_of(lambda: compare_words(" ".join(reversed(words)), words)) == "words_differ"
    assert code_of(lambda: compare_words(" ".join(words[:5]), words)) == "words_differ"
    assert code_of(lambda: compare_words("", words)) == "words_differ"
    assert len(words_digest(words)) == 64


def test_the_word_list_is_that_of_bip_39() -> None:
    listed = "".join(f"{word}\n" for word in _list()).encode()
    assert hashlib.sha256(listed).hexdigest() == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert len({word[:4] for word in _list()}) == 2048


def test_six_words_are_the_first_66_bits_of_scrypt() -> None:
    drawn = hashlib.scrypt(b"ab", salt=b"timebank/words/v1", n=16384, r=8, p=1, dklen=32)
    bits = "".join(f"{byte:08b}" for byte in drawn)
    assert six_words("a", "b") == tuple(_list()[int(bits[11 * n : 11 * n + 11], 2)] for n in range(6))


def test_what_is_sealed_opens_for_its_reader_in_its_place_and_nowhere_else() -> None:
    reader, other = key_of(ELM), key_of(OAK)
    info = sealing_info(LINK, OAK, ELM, (0, 1))
    sealed = seal(b"an offer", seal_public(reader), info)
    assert unseal(sealed, seal_private(reader), info) == b"an offer"
    assert seal(b"an offer", seal_public(reader), info) != sealed
    places = [
        sealing_info("1" * 32, OAK, ELM, (0, 1)),
        sealing_info(LINK, ELM, OAK, (0, 1)),
        sealing_info(LINK, OAK, ELM, (1, 1)),
        sealing_info(LINK, OAK, ELM, (0, 2)),
        sealing_info(LINK, OAK, ELM, ("head", "head")),
    ]
    for elsewhere in places:
        assert code_of(lambda elsewhere=elsewhere: unseal(sealed, seal_private(reader), elsewhere)) == "bad_seal"
    assert code_of(lambda: unseal(sealed, seal_private(other), info)) == "bad_seal"
    for place in range(len(sealed)):
        spoiled = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        assert code_of(lambda spoiled=spoiled: unseal(spoiled, seal_private(reader), info)) == "bad_seal"
    assert code_of(lambda: unseal(b"", seal_private(reader), info)) == "bad_seal"


def test_nothing_is_sealed_for_a_key_that_nobody_holds() -> None:
    assert code_of(lambda: seal(b"an offer", encode_key(bytes(32)), b"")) == "weak_key"
