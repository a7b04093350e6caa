using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Deployments;
using Paas.Receiver.Notifications;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>
/// "How to get in": told to the operators and to whoever asked, when a host is linked, an environment or a project is made (R13.4, R13.5, R15.4, A22). Nothing secret is in it (A24): everybody
/// comes with a token or a key of their own.
/// </summary>
sealed partial class AccessNotices(Outbox outbox, TellingOptions options, Users users, Visitors visitors, ThisHost host, ILogger<AccessNotices> logger)
{
    public void Tell(HttpContext context, Projects.Environment environment) => Tell(context, $"environment {environment.Name} is made", environment, null, [
        $"Type {environment.Type.ToString().ToLowerInvariant()}, mode {environment.Mode.ToString().ToLowerInvariant()}, uuid {environment.Uuid}",
        $"Projects in it answer at http://PROJECT.{environment.Name}.{host.Domain}",
    ]);

    public void Tell(HttpContext context, Project project) => Tell(context, $"{project} is made", project.Environment, project, [$"It answers at {visitors.Url(project)} once it is pushed"]);

    /// <summary>An environment on a linked host: what that host says of itself is passed on.</summary>
    public void Tell(HttpContext context, EnvironmentSummary there) => Tell(context, new Tiding(
        $"environment {there.Name} is made", $"{there.Uuid}", [$"Type {there.Type}, mode {there.Mode}, uuid {there.Uuid}, on the host {there.Host}", $"Projects in it answer at http://PROJECT.{there.Domain}"],
        new() { ["environment"] = there.Name, ["uuid"] = there.Uuid.ToString(), ["host"] = there.Host, ["repository"] = $"{there.Git}PROJECT.git", ["ssh"] = there.Ssh is null ? null : $"{there.Ssh}PROJECT.git" }));

    /// <summary>A host is linked (R13.4).</summary>
    public void Tell(HttpContext context, HostSummary linked) => Tell(context, new Tiding(
        $"host {linked.Name} is linked", linked.Name,
        [$"Its receiver is at {linked.Url}, version {linked.Version}", $"Applications on it answer at http://PROJECT.ENVIRONMENT.{linked.Domain}", $"To make an environment there: corpus init_env {context.Request.Scheme}://{context.Request.Host} TYPE {linked.Name}"],
        new()
        {
            ["host"] = linked.Name,
            ["url"] = linked.Url,
            ["repository"] = $"{linked.Url}git/PROJECT.git",
            ["ssh"] = linked.SshPort is { } port ? $"ssh://USER@{new Uri(linked.Url!).Host}:{port}/PROJECT.git" : null,
        }));

    void Tell(HttpContext context, string subject, Projects.Environment environment, Project? project, IReadOnlyList<string> lines)
    {
        var path = $"{(environment.IsDefault ? "" : $"{environment.Name}/")}{project?.Name.Value ?? "PROJECT"}";
        Tell(context, new Tiding(
            subject, $"{environment.Uuid}-{project?.Name.Value}", lines,
            new()
            {
                ["environment"] = environment.Name.Value,
                ["uuid"] = environment.Uuid.ToString(),
                ["project"] = project?.Name.Value,
                ["url"] = project is null ? null : visitors.Url(project),
                ["repository"] = $"{context.Request.Scheme}://{context.Request.Host}/git/{path}.git",
                ["ssh"] = host.SshPort is { } port ? $"ssh://{host.SshAccount}@{context.Request.Host.Host}:{port}/{path}.git" : null,
            }));
    }

    void Tell(HttpContext context, Tiding tiding)
    {
        try
        {
            var asker = Desk.AskerOf(context).Caller;
            var mine = asker.User is { } name && users.Find(name)?.Email is { Length: > 0 } email ? new Recipient("mail", email) : null;
            var recipients = options.Operators.Concat(mine is not null && outbox.Channels.FirstOrDefault(channel => channel.Name == "mail")?.WhyNot(mine) is null ? [mine!] : Array.Empty<Recipient>()).ToList();
            if (mine is null && options.Operators.Count == 0)
            {
                return;
            }

            var (http, ssh) = (tiding.Facts["repository"]!, tiding.Facts["ssh"]);
            outbox.Put(
                new Notice
                {
                    Id = $"access-{tiding.Id}-{Guid.NewGuid():N}",
                    Event = "access",
                    Subject = tiding.Subject,
                    Text = string.Join('\n', [
                        $"{tiding.Subject}, asked for by {asker.Name}.", "", .. tiding.Lines, "", $"Push code to    {http}", $"configuration   {http[..^".git".Length]}/pillar.git",
                        .. ssh is null ? Array.Empty<string>() : [$"or by ssh       {ssh}"], "", "Come with your own token or key: nothing secret is in this message.", "",
                    ]),
                    Facts = new Dictionary<string, string?>(tiding.Facts) { ["by"] = asker.Name },
                },
                recipients);
        }
        catch (Exception e)
        {
            // It is made, whoever hears of it.
            Log.NotTold(logger, e, tiding.Subject);
        }
    }

    /// <param name="Id">What it is about, for the notice's own.</param>
    /// <param name="Facts"><c>repository</c> and <c>ssh</c> are among them; ssh is null where there is none.</param>
    sealed record Tiding(string Subject, string Id, IReadOnlyList<string> Lines, Dictionary<string, string?> Facts);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Nobody could be told that {what}")]
        public static partial void NotTold(ILogger logger, Exception exception, string what);
    }
}
