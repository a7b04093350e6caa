namespace Paas.Receiver.Contract;

/// <summary>A part of a list. <see cref="Next"/> asks for what follows; null when this is the end.</summary>
/// <param name="Missing">What could not be asked for its part, in words; null when nothing is missing.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next = null, IReadOnlyList<string>? Missing = null);

/// <summary>A machine that environments are on.</summary>
public sealed record HostSummary
{
    public required string Name { get; init; }

    /// <summary><c>here</c>, <c>reachable</c> or <c>unreachable</c>; of the last nothing is known but its URL.</summary>
    public string? State { get; init; }

    /// <summary>Why it is not reachable.</summary>
    public string? Trouble { get; init; }

    /// <summary>Where a linked host's receiver is; null for the one that answers.</summary>
    public string? Url { get; init; }

    /// <summary>Its receiver's.</summary>
    public string? Version { get; init; }

    /// <summary>Where its receiver listens.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>Where its sshd listens; null where there is none.</summary>
    public int? SshPort { get; init; }

    /// <summary>Applications answer at names below it.</summary>
    public string? Domain { get; init; }

    /// <summary>What a project's instances are on it: <c>process</c>.</summary>
    public string? GuestType { get; init; }

    /// <summary>The platform types that may be made on it.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    public long? FreeBytes { get; init; }

    public long? TotalBytes { get; init; }

    public int? Environments { get; init; }
}

/// <summary>Something that a dns or firewall hook was told of.</summary>
/// <param name="Kind"><c>dns</c> or <c>firewall</c>.</param>
/// <param name="Words">What the hook gets: <c>NAME ADDRESS</c>, or <c>tcp PORT ADDRESS</c>.</param>
/// <param name="Project">For whom; null is the receiver itself.</param>
/// <param name="State"><c>adding</c>, <c>there</c> or <c>removing</c>.</param>
/// <param name="Tries">Failed ones in a row.</param>
/// <param name="Trouble">What the hook said last; null when nothing is wrong.</param>
/// <param name="NextAt">When it is called again.</param>
public sealed record WireSummary(string Kind, string Words, string? Project, string State, int Tries, string? Trouble, DateTimeOffset? NextAt);

/// <summary>Links a host.</summary>
/// <param name="Url"><c>https://HOST[:PORT]</c>, or <c>http://</c> on the same machine.</param>
/// <param name="Token">An administrator's token there. Kept, never shown.</param>
public sealed record HostOrder(string? Url = null, string? Token = null);

/// <summary>A platform that projects live on.</summary>
public sealed record EnvironmentSummary
{
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    /// <summary><c>dev</c>, <c>staging</c> or <c>prod</c>.</summary>
    public required string Type { get; init; }

    /// <summary><c>editable</c>, <c>cooking</c> or <c>final</c>.</summary>
    public required string Mode { get; init; }

    public required bool IsDefault { get; init; }

    public required string Host { get; init; }

    /// <summary>Its projects answer at names below it.</summary>
    public string? Domain { get; init; }

    /// <summary>Where git and the verbs are spoken to by ssh; null where there is no ssh.</summary>
    public string? Ssh { get; init; }

    /// <summary>Where git is spoken to by HTTP.</summary>
    public string? Git { get; init; }

    public required IReadOnlyDictionary<string, string> Tags { get; init; }

    /// <summary>Null is no limit.</summary>
    public int? QuotaGigabytes { get; init; }

    /// <summary>Where final mode finds archives; null means the environments of the same receiver that cook.</summary>
    public string? ReleaseSource { get; init; }

    /// <summary>How many projects of it the caller may see.</summary>
    public required int Projects { get; init; }
}

/// <summary>Asks for an environment. All but the type may be left out.</summary>
/// <param name="Type"><c>dev</c>, <c>staging</c> (<c>preprod</c>, <c>qa</c>, <c>test</c>) or <c>prod</c>.</param>
/// <param name="Mode">By the type unless it is given.</param>
/// <param name="QuotaGigabytes">A multiple of 5.</param>
public sealed record EnvironmentOrder(
    string? Type = null, string? Name = null, string? Host = null, string? Mode = null, IReadOnlyDictionary<string, string>? Tags = null, int? QuotaGigabytes = null, string? ReleaseSource = null, string? ReleaseToken = null);

/// <summary>Asks for changes to an environment; what is left out stays.</summary>
/// <param name="Tags">All of them from now on.</param>
/// <param name="QuotaGigabytes">0 takes the limit away.</param>
/// <param name="ReleaseSource">Empty takes it away.</param>
public sealed record EnvironmentChange(
    string? Mode = null, IReadOnlyDictionary<string, string>? Tags = null, int? QuotaGigabytes = null, string? ReleaseSource = null, string? ReleaseToken = null);

/// <summary>A project that is there, and where to push to: paths on the same receiver, whole URLs on a linked host.</summary>
public sealed record ProjectMade(string Environment, string Name, string Url, string Repository, string PillarRepository, bool IsNew);

/// <summary>A project in a list of them.</summary>
public sealed record ProjectSummary
{
    public required string Environment { get; init; }

    public required string Name { get; init; }

    /// <summary>Where its web process answers.</summary>
    public required string Url { get; init; }

    /// <summary>Number of the live release; null before the first.</summary>
    public int? Release { get; init; }
}

/// <summary>What a project is doing right now.</summary>
public sealed record ProjectStatus
{
    public required string Environment { get; init; }

    public required string Name { get; init; }

    /// <summary><c>editable</c>, <c>cooking</c> or <c>final</c>.</summary>
    public required string Mode { get; init; }

    public required string Url { get; init; }

    /// <summary>The live release; null before the first.</summary>
    public ReleaseSummary? Current { get; init; }

    /// <summary>Paths of the live release that somebody changed past the receiver; null when it is what was sealed.</summary>
    public IReadOnlyList<string>? Drift { get; init; }

    /// <summary>Who is changing the live release by hand just now; null when nobody is.</summary>
    public string? FixedBy { get; init; }

    /// <summary>What it took when that was counted last; null where it has no quota, or was not counted yet.</summary>
    public SpaceTaken? Space { get; init; }

    public IReadOnlyList<InstanceSummary> Instances { get; init; } = [];

    /// <summary>The deployment at work; null when none is.</summary>
    public DeploymentSummary? Running { get; init; }

    /// <summary>Those that wait for their turn, the next one first.</summary>
    public IReadOnlyList<DeploymentSummary> Waiting { get; init; } = [];

    /// <summary>The newest one that has ended.</summary>
    public DeploymentSummary? Last { get; init; }
}

/// <summary>What a project with a quota took, over all its directories.</summary>
public sealed record SpaceTaken(long Bytes, int QuotaGigabytes, DateTimeOffset CountedAt);

/// <summary>One running copy.</summary>
public sealed record InstanceSummary
{
    public required string Type { get; init; }

    public required string Id { get; init; }

    /// <summary><c>starting</c>, <c>healthy</c>, <c>failing</c>, <c>stopping</c>.</summary>
    public required string State { get; init; }

    public int? Port { get; init; }

    public int? Release { get; init; }

    /// <summary>Counts from 1 in its type.</summary>
    public int Number { get; init; }

    /// <summary>Ends in a row; 0 once it has stayed up.</summary>
    public int Crashes { get; init; }

    /// <summary>Of the instance before this one, 128+N for signal N.</summary>
    public int? LastExitCode { get; init; }
}

/// <summary>An archive of a part of a release.</summary>
/// <param name="Digest">SHA-256 of the file.</param>
/// <param name="Trouble">What was wrong with it when it was read again; such an archive is not handed over.</param>
public sealed record ArchivePartSummary(string Name, string Digest, long Bytes, string? Trouble = null);

/// <summary>A sealed release.</summary>
public sealed record ReleaseSummary
{
    /// <summary>Shown as <c>v12</c>.</summary>
    public required int Number { get; init; }

    /// <summary><c>&lt;DATETIME&gt;-&lt;UUID&gt;</c>.</summary>
    public required string Id { get; init; }

    public required string Commit { get; init; }

    public string? PillarCommit { get; init; }

    public required string Mode { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>When it first served; null when it never did.</summary>
    public DateTimeOffset? LiveAt { get; init; }

    public bool IsCurrent { get; init; }

    /// <summary>Its directory and archive are gone; no rollback leads to it.</summary>
    public bool Pruned { get; init; }

    /// <summary>Its archive was made elsewhere and taken over; it may be promoted although it never served.</summary>
    public bool Imported { get; init; }

    /// <summary>Archives of parts of it, that its steps have named; null for none.</summary>
    public IReadOnlyList<ArchivePartSummary>? Archives { get; init; }

    /// <summary>When its archive was read again and held against what was sealed; null when it was not yet.</summary>
    public DateTimeOffset? CheckedAt { get; init; }

    /// <summary>What was wrong with it, or with that of its image; such an archive is not handed over.</summary>
    public string? ArchiveTrouble { get; init; }

    public string? ArchiveDigest { get; init; }

    public long? ArchiveBytes { get; init; }

    /// <summary>Numbers of the manual fixes that were made in it; null when none was.</summary>
    public IReadOnlyList<int>? Patches { get; init; }

    /// <summary>Numbers of the manual fixes that it holds; null when it is what was built.</summary>
    public IReadOnlyList<int>? Fixes { get; init; }

    /// <summary>Of the tree that the archive holds.</summary>
    public string? ContentDigest { get; init; }

    /// <summary>SHA-256 of the archive of the image that it runs as; null for processes.</summary>
    public string? ImageDigest { get; init; }

    public long? ImageBytes { get; init; }

    /// <summary>Base64 of an ECDSA P-256 signature over what the archive is, and the key that it was made with.</summary>
    public string? Signature { get; init; }

    public string? SignedBy { get; init; }
}

/// <summary>One run of the pipeline.</summary>
public sealed record DeploymentSummary
{
    public required string Id { get; init; }

    public required string Environment { get; init; }

    public required string Project { get; init; }

    /// <summary><c>push</c>, <c>redeploy</c>, <c>rollback</c>, <c>backup</c>, <c>restore</c>, <c>task</c>, <c>current</c>, <c>start</c>, <c>stop</c> or <c>restart</c>.</summary>
    public required string Kind { get; init; }

    /// <summary><c>waiting</c>, <c>running</c> or <c>finished</c>.</summary>
    public required string State { get; init; }

    /// <summary>
    /// Once it is finished: <c>live</c>, <c>liveButUntidy</c>, <c>rolledBack</c>, <c>needsAttention</c>, <c>interrupted</c>, <c>superseded</c>,
    /// <c>cancelled</c> or <c>refused</c>; <c>done</c> for what is no deployment.
    /// </summary>
    public string? Outcome { get; init; }

    /// <summary>One line: what went wrong.</summary>
    public string? Failure { get; init; }

    public string? Ref { get; init; }

    public string? Commit { get; init; }

    /// <summary>Number of the release that it makes, or goes back to; null until that is known.</summary>
    public int? Release { get; init; }

    public required string By { get; init; }

    public required string From { get; init; }

    public required DateTimeOffset AskedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>In their order; only where one deployment is asked for.</summary>
    public IReadOnlyList<StepSummary>? Steps { get; init; }
}

/// <param name="Milliseconds">Null while it runs, and when it never ended.</param>
public sealed record StepSummary(string Name, double? Milliseconds);

/// <summary>The answer to long work: 202, and where to watch it. Both are paths on the same receiver.</summary>
/// <param name="Log">An event stream that can be resumed.</param>
public sealed record AcceptedWork(string Id, string Url, string Log);

/// <summary>The last event of a deployment's log, of type <c>outcome</c>.</summary>
/// <param name="Outcome">As in <see cref="DeploymentSummary.Outcome"/>.</param>
/// <param name="Succeeded">What was asked for is live.</param>
public sealed record OutcomeEvent(string Outcome, bool Succeeded);

/// <summary>Asks for a release that was cooked elsewhere. Without a release and a commit it is the one that is live there.</summary>
/// <param name="From">An environment of the same receiver; null is where the environment takes releases from.</param>
/// <param name="Release">By its number there.</param>
public sealed record PromoteOrder(string? From = null, int? Release = null, string? Commit = null);

/// <summary>Asks for a rollback.</summary>
/// <param name="Release">Null means the release before the live one.</param>
/// <param name="CodeOnly">Leave the data as it is.</param>
/// <param name="WithData">Refuse when its data cannot come along; without it, code alone comes back then.</param>
public sealed record RollbackOrder(int? Release = null, bool CodeOnly = false, bool WithData = false);

/// <summary>Asks for a backup of the data.</summary>
/// <param name="Live">While the application goes on.</param>
public sealed record BackupOrder(bool Live = false);

/// <summary>Asks for the data as a backup has it.</summary>
/// <param name="Backup">An id, or <c>vN</c> for the data as that release left it; null is the newest.</param>
public sealed record RestoreOrder(string? Backup = null);

/// <summary>Asks for one of the project's own tasks.</summary>
public sealed record TaskOrder;

/// <summary>What a project takes and may take.</summary>
public sealed record SpaceSummary
{
    public required IReadOnlyList<SpacePartSummary> Parts { get; init; }

    /// <summary>All parts together, on the disk; a file with several names counts once.</summary>
    public required long Bytes { get; init; }

    /// <summary>Null is no limit.</summary>
    public int? QuotaGigabytes { get; init; }
}

public sealed record SpacePartSummary(string Name, long Bytes, long Files);

/// <summary>Sets what a project may take, in gigabytes; null is no limit.</summary>
public sealed record QuotaOrder(int? QuotaGigabytes = null);

/// <summary>Asks for more or less room.</summary>
/// <param name="Size"><c>5gb</c>, the one size there is.</param>
public sealed record SizeOrder(string? Size = null);

/// <summary>One complete backup of a project's data.</summary>
public sealed record BackupSummary
{
    public required string Id { get; init; }

    public DateTimeOffset? TakenAt { get; init; }

    /// <summary>What it was taken for: <c>push</c>, <c>redeploy</c>, <c>rollback</c>, <c>backup</c> (by hand), <c>restore</c>.</summary>
    public string? Kind { get; init; }

    /// <summary>The release whose data it is.</summary>
    public int? Release { get; init; }

    public required long Files { get; init; }

    public required long Bytes { get; init; }

    /// <summary>How many dumps the project's own hook left.</summary>
    public required int Dumps { get; init; }
}

/// <summary>Asks for the deployed commit again.</summary>
/// <param name="Rebuild">Without build caches.</param>
/// <param name="Set">Values of the configuration for this deployment: a variable's name, or a path with dots.</param>
/// <param name="DiscardFixes">What was fixed by hand is not applied again.</param>
public sealed record RedeployOrder(bool Rebuild = false, IReadOnlyDictionary<string, string>? Set = null, bool DiscardFixes = false);

/// <summary>One value of the configuration, all layers together.</summary>
/// <param name="Name">A variable's name; of everything else the path, which has dots.</param>
/// <param name="Masked">The value is not shown.</param>
/// <param name="From">The layer it came from: the tree's file of defaults, <c>env_defaults.TYPE</c>, <c>pillar</c>, <c>call</c>.</param>
public sealed record ConfigEntry(string Name, string Value, bool Masked, string? From = null);

/// <summary>One run of a web cron.</summary>
public sealed record CronRunSummary
{
    /// <summary>Asks for what was answered.</summary>
    public required string Id { get; init; }

    public required string Type { get; init; }

    /// <summary>Without its query, which may hold a token; or the command.</summary>
    public required string Path { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required double Milliseconds { get; init; }

    /// <summary>Of HTTP, or a command's exit code; null when there was no answer.</summary>
    public int? Status { get; init; }

    /// <summary>Null when it went well.</summary>
    public string? Failure { get; init; }
}

/// <summary>Says which release is meant.</summary>
/// <param name="Release">Null means the live one.</param>
public sealed record ReleaseOrder(int? Release = null);

/// <summary>How many of each process type; also the answer. What is not named is as it was.</summary>
public sealed record ScaleOrder(IReadOnlyDictionary<string, int> Types);

/// <summary>Asks for a command to be run once in a release.</summary>
/// <param name="Command">A program and its arguments.</param>
/// <param name="Release">Null means the live one.</param>
public sealed record RunOrder(IReadOnlyList<string> Command, int? Release = null);

/// <summary>Asks for a manual fix of the live release.</summary>
/// <param name="Command">A program and its arguments; what it changes becomes the patch.</param>
/// <param name="Apply">Instead of a command: the number of a fix that was kept, for what is live now.</param>
/// <param name="Message">The patch's subject, one line.</param>
/// <param name="NoDeploy">The patch is kept and nothing else.</param>
/// <param name="Discard">The difference is shown and given up.</param>
public sealed record FixOrder(IReadOnlyList<string>? Command = null, int? Apply = null, string? Message = null, bool NoDeploy = false, bool Discard = false);

/// <summary>What somebody changed by hand in a release.</summary>
public sealed record PatchSummary
{
    /// <summary>Counts from 1 in its project.</summary>
    public required int Number { get; init; }

    /// <summary>The release that it was made in.</summary>
    public required int Release { get; init; }

    public required string Commit { get; init; }

    /// <summary><c>kept</c>: applied when the commit is deployed again; <c>aside</c>: only when it is asked for, or once a release with it was live; <c>drift</c>: found, made past the receiver; <c>brought</c>: came along in an archive; <c>dropped</c>.</summary>
    public required string State { get; init; }

    public required string Subject { get; init; }

    public required string By { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>Paths in the release; of very many the first.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    public required long Bytes { get; init; }
}

/// <summary>Asks for a token.</summary>
/// <param name="Project"><c>env/name</c>: good for that project only. Without a user it is the project's deploy token.</param>
/// <param name="User">Whose it is; null is the caller's own, or with a project nobody's.</param>
/// <param name="Permissions">What it is limited to; null is all that its user may do.</param>
public sealed record TokenOrder(
    string? Name = null, bool Admin = false, string? Project = null, DateTimeOffset? ExpiresAt = null, string? User = null, IReadOnlyList<string>? Permissions = null);

/// <summary>A token without its secret.</summary>
public sealed record TokenSummary
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    public required bool Admin { get; init; }

    public string? Project { get; init; }

    /// <summary>Whose it is; null is nobody's.</summary>
    public string? User { get; init; }

    /// <summary>What it is limited to; null is all that its user may do.</summary>
    public IReadOnlyList<string>? Permissions { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public DateTimeOffset? UsedAt { get; init; }
}

/// <summary>A token just made. This is the only time its secret is shown.</summary>
public sealed record TokenMade(TokenSummary Token, string Secret);

/// <summary>Asks for an SSH key to be let in.</summary>
/// <param name="Key">One line, as in <c>~/.ssh/id_ed25519.pub</c>.</param>
/// <param name="User">Whose it is; null is the caller's own.</param>
/// <param name="Project"><c>env/name</c>: a deploy key, good for that project only.</param>
/// <param name="Push">A deploy key may push as well as fetch.</param>
public sealed record KeyOrder(string? Key = null, string? Name = null, string? User = null, string? Project = null, bool Push = false);

/// <summary>An SSH key that is let in.</summary>
public sealed record KeySummary
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    public required string Type { get; init; }

    /// <summary>As <c>ssh-keygen -l</c> shows it.</summary>
    public required string Fingerprint { get; init; }

    public string? User { get; init; }

    public string? Project { get; init; }

    public required bool Push { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    public DateTimeOffset? UsedAt { get; init; }
}

/// <summary>Asks for a user.</summary>
public sealed record UserOrder(string? Name = null, string? FullName = null, string? Email = null);

/// <summary>Changes a user; null leaves as it is.</summary>
public sealed record UserChange(string? FullName = null, string? Email = null, bool? Disabled = null);

/// <param name="Password">Null takes the password away.</param>
public sealed record PasswordOrder(string? Password = null);

/// <summary>A user, without any secret.</summary>
public sealed record UserSummary
{
    public required string Name { get; init; }

    public string? FullName { get; init; }

    public string? Email { get; init; }

    /// <summary>Who vouches for the password: <c>local</c> or <c>ldap</c>.</summary>
    public required string Source { get; init; }

    public required bool Disabled { get; init; }

    public required bool HasPassword { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    public IReadOnlyList<GrantSummary> Roles { get; init; } = [];
}

/// <summary>A role that a user has.</summary>
/// <param name="Environment">Null is everywhere.</param>
/// <param name="Source"><c>local</c>, or <c>ldap</c> where a group of the directory gave it.</param>
public sealed record GrantSummary(string Role, string? Environment, string Source);

/// <summary>Gives a role other permissions, or makes it.</summary>
public sealed record RoleOrder(IReadOnlyList<string>? Permissions = null);

/// <summary>A named set of permissions.</summary>
public sealed record RoleSummary(string Name, IReadOnlyList<string> Permissions);

/// <summary>Who the receiver takes the caller for.</summary>
public sealed record WhoAmI
{
    public required string Name { get; init; }

    public string? User { get; init; }

    public required bool Admin { get; init; }

    /// <summary>The one project the credential is good for.</summary>
    public string? Project { get; init; }

    public required string Credential { get; init; }

    /// <summary>Everywhere.</summary>
    public required IReadOnlyList<string> Permissions { get; init; }

    /// <summary>And in single environments.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<string>> Environments { get; init; }

    public required string From { get; init; }
}

/// <summary>One line of the audit log.</summary>
public sealed record AuditRecord
{
    public required long Number { get; init; }

    public required string At { get; init; }

    public required string Who { get; init; }

    public required string Credential { get; init; }

    public required string From { get; init; }

    public required string Action { get; init; }

    public required string Subject { get; init; }

    public required string Result { get; init; }

    public string? Detail { get; init; }

    /// <summary>SHA-256 of the line before and of this one's words.</summary>
    public required string Chain { get; init; }
}

/// <param name="FirstBroken">The number of the first line that is not as it was written; null when all are whole.</param>
public sealed record AuditCheck(long? FirstBroken);

/// <summary>What went wrong, after RFC 9457.</summary>
public sealed record Problem
{
    public string Type { get; init; } = "about:blank";

    public string? Title { get; init; }

    public int? Status { get; init; }

    /// <summary>For people; may have several lines.</summary>
    public string? Detail { get; init; }
}

/// <summary>Where visitors find a project.</summary>
/// <param name="Maintenance">Visitors meet a page instead of the application.</param>
public sealed record DomainList(bool Maintenance, IReadOnlyList<DomainSummary> Items);

/// <summary>One address of a project, and who may pass there.</summary>
public sealed record DomainSummary
{
    public required string Host { get; init; }

    /// <summary>Null is every path.</summary>
    public string? Path { get; init; }

    /// <summary>The process type visitors meet.</summary>
    public required string Type { get; init; }

    /// <summary>It was given to the project here; else the receiver or the project's manifest says it.</summary>
    public bool Given { get; init; }

    /// <summary>Networks visitors must come from; null is everywhere.</summary>
    public IReadOnlyList<string>? Allow { get; init; }

    /// <summary>Who may pass with a password; null asks nobody.</summary>
    public IReadOnlyList<string>? Users { get; init; }

    public bool Sticky { get; init; }
}

/// <summary>How an address is to be.</summary>
/// <param name="Users">Names and passwords; kept as hashes.</param>
public sealed record DomainOrder(string? Type = null, IReadOnlyList<string>? Allow = null, Dictionary<string, string>? Users = null, bool Sticky = false);

/// <summary>Maintenance mode, on or off.</summary>
public sealed record MaintenanceOrder(bool On);

/// <summary>What visitors of one process type got since the receiver started. Times are milliseconds.</summary>
public sealed record TrafficSummary
{
    public required string Type { get; init; }

    public required long Requests { get; init; }

    /// <summary>Answers of 1xx, 2xx, 3xx, 4xx and 5xx.</summary>
    public required IReadOnlyList<long> Classes { get; init; }

    /// <summary>WebSockets and the like.</summary>
    public required long Upgrades { get; init; }

    public required double P50 { get; init; }

    public required double P95 { get; init; }

    public required double P99 { get; init; }
}

/// <summary>A place a project's log is carried to as well.</summary>
/// <param name="Url">Tokens in it are stars.</param>
/// <param name="Sent">Lines since the receiver started.</param>
/// <param name="Trouble">Why nothing is delivered now; null while all is well.</param>
public sealed record DrainSummary(long Id, string Url, long Sent, string? Trouble = null);

/// <summary>A drain that is wanted: <c>syslog://</c>, <c>syslog+tls://</c>, <c>http://</c> or <c>https://</c>.</summary>
public sealed record DrainOrder(string? Url = null);

/// <summary>An examination that also puts right what is safe.</summary>
/// <param name="Repositories">Every git repository is read whole.</param>
public sealed record DoctorOrder(bool Repositories = false);

/// <summary>What an examination of the receiver found.</summary>
/// <param name="Healthy">Nothing wants anybody to act.</param>
public sealed record DoctorReport(bool Healthy, IReadOnlyList<DoctorFinding> Findings);

/// <summary>One thing that was looked at.</summary>
/// <param name="Area">One word, such as <c>disk</c>.</param>
/// <param name="Severity"><c>fine</c>, <c>note</c>, <c>mended</c>, <c>warning</c> or <c>problem</c>.</param>
/// <param name="Remedy">What would put it right.</param>
public sealed record DoctorFinding(string Area, string Severity, string Message, string? Remedy = null);

/// <summary>A backup of the entire receiver.</summary>
/// <param name="WithoutReleases">Leave out the archives of releases.</param>
public sealed record ServerBackupOrder(bool WithoutReleases = false);
