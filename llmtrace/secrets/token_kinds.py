"""Values that betray themselves: provider keys and tokens by how they begin, JSON Web Tokens.

A new kind is one line in the table.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Token(NamedTuple):
    """One kind of token.

    Attributes:
        kind: what stands in the mark.
        anchors: how it begins, as plain text.
        body: what follows, a pattern whose runs have no upper end: so no two findings overlap, and time stays linear.
        is_word: the anchor also occurs inside of words ("task-"): it counts only where a word begins.
    """

    kind: str
    anchors: tuple[str, ...]
    body: str
    is_word: bool = False


_W: Final = r"[A-Za-z0-9_-]"
_A: Final = r"[A-Za-z0-9]"
TOKENS: Final = (
    Token("anthropic_key", ("sk-ant-",), _W + "{9,}"),
    Token("openrouter_key", ("sk-or-",), _W + "{10,}"),
    Token("langfuse_key", ("sk-lf-", "pk-lf-"), _W + "{10,}"),
    Token("openai_key", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-live-", "sk-test-"), _W + "{8,}"),
    Token("openai_key", ("sk-",), _W + "{12,}", is_word=True),
    Token("google_key", ("AIza",), _W + "{30,}"),
    Token("google_key", ("AQ.Ab",), _W + "{20,}"),
    Token("google_token", ("ya29.",), _W + "{20,}"),
    Token("google_secret", ("GOCSPX-",), _W + "{20,}"),
    Token("aws_access_key", ("AKIA", "ASIA", "ABIA", "ACCA"), "[A-Z0-9]{16,}"),
    Token("aws_bedrock_key", ("ABSK",), "[A-Za-z0-9+/]{40,}={0,2}"),
    Token("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _A + "{16,}"),
    Token("github_token", ("github_pat_",), "[A-Za-z0-9_]{20,}"),
    Token("gitlab_token", ("glpat-", "glptt-", "gldt-", "glrt-", "glft-", "glsoat-"), "[A-Za-z0-9_.-]{16,}"),
    Token("gitlab_token", ("glcbt-", "glimt-", "glagent-", "gloas-"), "[A-Za-z0-9_.-]{16,}"),
    Token("slack_token", ("xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
          "[A-Za-z0-9_.%-]{10,}"),
    Token("slack_token", ("xapp-",), _W + "{16,}"),
    Token("stripe_key", ("sk_live_", "rk_live_", "pk_live_", "sk_test_", "rk_test_", "pk_test_"), _A + "{10,}"),
    Token("api_key", ("_live_",), _A + "{16,}"),
    Token("api_key", ("live_",), _A + "{24,}", is_word=True),
    Token("webhook_secret", ("whsec_",), "[A-Za-z0-9+/]{16,}={0,2}"),
    Token("huggingface_token", ("hf_",), _A + "{16,}", is_word=True),
    Token("huggingface_token", ("api_org_",), _A + "{20,}"),
    Token("groq_key", ("gsk_",), _A + "{20,}"),
    Token("cerebras_key", ("csk-",), _A + "{30,}", is_word=True),
    Token("together_key", ("tgp_v1_",), _W + "{20,}"),
    Token("jina_key", ("jina_",), _A + "{30,}"),
    Token("llamaindex_key", ("llx-",), _A + "{30,}"),
    Token("wandb_key", ("wandb_v1_",), "[A-Za-z0-9_]{30,}"),
    Token("runpod_key", ("rpa_",), "[A-Z0-9]{30,}", is_word=True),
    Token("xai_key", ("xai-",), _W + "{20,}", is_word=True),
    Token("perplexity_key", ("pplx-",), _A + "{20,}"),
    Token("replicate_token", ("r8_",), _A + "{30,}"),
    Token("nvidia_key", ("nvapi-",), _W + "{20,}"),
    Token("fireworks_key", ("fw_",), _A + "{20,}", is_word=True),
    Token("tavily_key", ("tvly-",), _W + "{12,}"),
    Token("langsmith_key", ("lsv2_pt_", "lsv2_sk_"), "[A-Za-z0-9_]{20,}"),
    Token("pinecone_key", ("pcsk_",), "[A-Za-z0-9_]{20,}"),
    Token("npm_token", ("npm_",), _A + "{30,}"),
    Token("pypi_token", ("pypi-",), _W + "{50,}"),
    Token("sendgrid_key", ("SG.",), _W + r"{16,}\." + _W + "{16,}"),
    Token("twilio_key", ("SK",), "[0-9a-f]{32,}"),
    Token("mailgun_key", ("key-",), "[0-9a-f]{32,}"),
    Token("digitalocean_token", ("dop_v1_", "doo_v1_", "dor_v1_"), "[0-9a-f]{40,}"),
    Token("shopify_token", ("shpat_", "shpca_", "shppa_", "shpss_"), "[0-9A-Fa-f]{32,}"),
    Token("vault_token", ("hvs.", "hvb.", "hvr."), _W + "{20,}"),
    Token("linear_key", ("lin_api_", "lin_oauth_"), _A + "{30,}"),
    Token("docker_token", ("dckr_pat_", "dckr_oat_"), _W + "{20,}"),
    Token("hubspot_token", ("pat-na1-", "pat-na2-", "pat-eu1-", "pat-ap1-"), "[0-9a-f-]{30,}"),
    Token("figma_token", ("figd_", "figu_"), _W + "{30,}"),
    Token("terraform_token", (".atlasv1.",), "[A-Za-z0-9_=-]{50,}"),
    Token("planetscale_token", ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), "[A-Za-z0-9_.-]{30,}"),
    Token("neon_key", ("napi_",), _A + "{30,}"),
    Token("pulumi_token", ("pul-",), "[0-9a-f]{40,}"),
    Token("tailscale_key", ("tskey-",), "[A-Za-z0-9-]{16,}"),
    Token("heroku_key", ("HRKU-",), _W + "{30,}"),
    Token("apify_token", ("apify_api_",), _A + "{30,}"),
    Token("sonar_token", ("squ_", "sqp_", "sqa_"), "[0-9a-f]{40,}"),
    Token("sourcegraph_token", ("sgp_",), "[0-9a-f_]{40,}"),
    Token("dynatrace_token", ("dt0c01.", "dt0s01.", "dt0s16."), r"[A-Z0-9]{20,}\.[A-Z0-9]{40,}"),
    Token("square_token", ("sq0atp-", "sq0csp-"), _W + "{20,}"),
    Token("brevo_key", ("xkeysib-", "xsmtpsib-"), "[0-9a-f]{60,}-[A-Za-z0-9]{10,}"),
    Token("azure_secret", ("Q~",), "[A-Za-z0-9_~.-]{31,}"),
    Token("artifactory_key", ("AKCp",), _A + "{60,}"),
    Token("notion_token", ("ntn_", "secret_"), _A + "{40,}"),
    Token("newrelic_key", ("NRAK-",), "[A-Z0-9]{20,}"),
    Token("postman_key", ("PMAK-",), _W + "{30,}"),
    Token("grafana_token", ("glsa_", "glc_"), "[A-Za-z0-9+/_]{20,}={0,2}"),
    Token("sentry_token", ("sntrys_", "sntryu_"), "[A-Za-z0-9+/_=]{30,}"),
    Token("doppler_token", ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa."), "[A-Za-z0-9_.]{30,}"),
    Token("supabase_key", ("sbp_", "sb_secret_"), _W + "{20,}"),
    Token("atlassian_token", ("ATATT3",), "[A-Za-z0-9_=-]{30,}"),
    Token("age_key", ("AGE-SECRET-KEY-",), "[A-Z0-9]{30,}"),
    Token("telegram_token", ("AA",), "(?<=[0-9]{8}:AA)" + _W + "{32,}"),
    Token("elevenlabs_key", ("sk_",), "[0-9a-f]{40,}", is_word=True),
    Token("firecrawl_key", ("fc-",), "[0-9a-f]{32,}", is_word=True),
    Token("e2b_key", ("e2b_",), "[0-9a-f]{40,}"),
    Token("databricks_token", ("dapi",), "[0-9a-f]{32,}(?:-[0-9])?", is_word=True),
    Token("voyage_key", ("pa-",), _W + "{40,}", is_word=True),
    Token("jwt", ("eyJ",), rf"{_W}*(?:\.{_W}*)*"),
)  # fmt: skip
