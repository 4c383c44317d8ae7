"""The gate's policy file."""

import pytest

from results.gate.policy import DEFAULT_POLICY, Policy, PolicyError, read_policy


def write(folder, text):
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_policy_of_a_new_reference_is_what_the_code_takes_for_granted(tmp_path):
    found = read_policy(write(tmp_path, DEFAULT_POLICY))
    clustering = Policy().same_weights.model_copy(update={"types": {"Clustering": 1.0}})
    assert found == Policy(same_weights=clustering)


def test_a_section_keeps_what_it_does_not_state(tmp_path):
    found = read_policy(write(tmp_path, "[same_weights]\nallowed_drop = 3\n"))
    assert found.same_weights.rule == "absolute"
    assert found.same_weights.allowed_drop == 3
    assert found.same_weights.mean_task == Policy().same_weights.mean_task
    assert found.other_weights == Policy().other_weights


def test_the_nearest_allowance_counts(tmp_path):
    text = "[other_weights]\nallowed_drop=1\ntypes={STS=2}\ntasks={STSBenchmark=3}\n"
    rule = read_policy(write(tmp_path, text)).other_weights
    assert [rule.points(*one) for one in (("A", "Retrieval"), ("B", "STS"))] == [1, 2]
    assert rule.points("STSBenchmark", "STS") == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other_weights]\nrule='lenient'", "lenient.*allowed: absolute, statistical, both"),
        ("[other_weights]\nallowd_drop=1", "unknown key 'other_weights.allowd_drop'.*allowed_drop"),
        ("[weights]\nrule='both'", "unknown key 'weights'.*same_weights"),
        ("speed = 0", "speed is 0"),
        ("speed = nan", "speed is nan"),
        ("[same_weights]\nallowed_drop=-1", "same_weights.allowed_drop is -1"),
        ("[same_weights]\nallowed_drop='1 %'", "same_weights.allowed_drop is '1 %'"),
        ("[other_weights]\nalpha=1", "alpha is 1"),
        ("same_weights = 3", "same_weights is 3"),
        ("[same_weights]\nallowed_drop=true", "same_weights.allowed_drop is True"),
        ("[same_weights]\nallowed_drop=nan", "same_weights.allowed_drop is nan"),
        ("[same_weights]\nallowed_drop=inf", "same_weights.allowed_drop is inf"),
        ("[same_weights]\nallowed_drop='0.2'", "same_weights.allowed_drop is '0.2'"),
        ("[same_weights]\nallowed_rise=-1", "same_weights.allowed_rise is -1"),
        ("[same_weights]\nmean_task=true", "same_weights.mean_task is True"),
        ("[other_weights.types]\nSTS=true", "other_weights.types.STS is True"),
        ("[other_weights.tasks]\nA=nan", "other_weights.tasks.A is nan"),
        ("[other_weights]\nalpha=nan", "other_weights.alpha is nan"),
        ("[other_weights]\nalpha=true", "other_weights.alpha is True"),
        ("[other_weights]\nallowed_rise=1", "unknown key 'other_weights.allowed_rise'"),
        ("[same_weights]\nmeasured_differently=false", "is False; allowed: fail, show"),
        ("seed_margin=nan", "seed_margin is nan"),
        ("seed_margin=true", "seed_margin is True"),
        ("speed=true", "speed is True"),
        ("memory=inf", "memory is inf"),
        ("[same_weight]", "unknown key 'same_weight'; did you mean 'same_weights'"),
        ("a=" + 5000 * "[", "is not TOML"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path, text, said):
    with pytest.raises(PolicyError, match=said):
        read_policy(write(tmp_path, text))


KNOWN = {"tasks": ["PerlFaqRetrieval", "LeeDocumentSTS"], "types": ["Retrieval", "STS"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[other_weights.tasks]\nPerlFAQRetrieval=1",
            "other_weights.tasks names the unknown task 'PerlFAQRetrieval'; did you mean "
            "'PerlFaqRetrieval'\\? allowed: LeeDocumentSTS, PerlFaqRetrieval",
        ),
        ("[same_weights.types]\nSts=1", "unknown type 'Sts'; did you mean 'STS'"),
    ],
)
def test_a_name_that_the_reference_does_not_have_is_refused(tmp_path, text, said):
    with pytest.raises(PolicyError, match=said):
        read_policy(write(tmp_path, text), KNOWN)


def test_the_default_policy_suits_every_reference(tmp_path):
    assert read_policy(write(tmp_path, DEFAULT_POLICY), KNOWN).same_weights.types


def test_an_absent_policy_is_refused(tmp_path):
    with pytest.raises(PolicyError, match=r"policy .*absent.toml: No such file"):
        read_policy(tmp_path / "absent.toml")
