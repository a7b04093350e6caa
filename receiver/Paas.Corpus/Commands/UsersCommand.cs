using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus users</c> and below it <c>add</c>, <c>remove</c>, <c>disable</c>, <c>enable</c>, <c>password</c>, <c>give</c>, <c>take</c>, <c>roles</c>, <c>role</c>, <c>me</c>.</summary>
static class UsersCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("users", "Who there is, and what they may do")
        {
            Me(surroundings), Add(surroundings), Remove(surroundings), Able(surroundings, "disable", disabled: true), Able(surroundings, "enable", disabled: false),
            Password(surroundings), Role(surroundings, "give", "Give somebody a role, everywhere or in the environment of -e"), Role(surroundings, "take", "Take a role back that was given"),
            Roles(surroundings), PutRole(surroundings),
        };
        command.SetAction((parsed, ct) => Listing.ShowAsync(parsed, "users", ContractJson.Default.PageUserSummary, ["USER", "NAME", "ROLES", "SOURCE", "STATE"], user =>
            [user.Name, user.FullName ?? "", string.Join(' ', user.Roles.Select(role => role.Environment is null ? role.Role : $"{role.Role}@{role.Environment}")), user.Source, user.Disabled ? "disabled" : "active"], surroundings, ct));
        return command;
    }

    static Command Me(Surroundings surroundings)
    {
        var command = new Command("me", "Who the receiver takes you for, and what you may do");
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var text = await client.GetTextAsync("api/v1/whoami", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var me = client.Read(text, ContractJson.Default.WhoAmI);
            await surroundings.Out.WriteLineAsync($"{me.Name}, by {me.Credential}, from {me.From}{(me.Project is null ? "" : $", for {me.Project} only")}");
            await surroundings.Out.WriteLineAsync(me.Admin ? "  everything" : $"  everywhere: {(me.Permissions.Count == 0 ? "nothing" : string.Join(' ', me.Permissions))}");
            foreach (var (environment, permissions) in me.Environments)
            {
                await surroundings.Out.WriteLineAsync($"  {environment}: {string.Join(' ', permissions)}");
            }

            return Exit.Done;
        });
        return command;
    }

    static Command Add(Surroundings surroundings)
    {
        var user = UserArgument();
        var name = new Option<string?>("--name") { Description = "The full name", HelpName = "NAME" };
        var email = new Option<string?>("--email") { Description = "An address", HelpName = "ADDRESS" };
        var command = new Command("add", "Make a user, who may do nothing yet") { user, name, email };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var made = await client.PostAsync("api/v1/users", new UserOrder(parsed.GetValue(user), parsed.GetValue(name), parsed.GetValue(email)), ContractJson.Default.UserOrder, ContractJson.Default.UserSummary, ct);
            await surroundings.SayAsync(made!, ContractJson.Default.UserSummary, $"{made!.Name} is there. Next: corpus users give {made.Name} developer; corpus tokens add NAME --user {made.Name}");
            return Exit.Done;
        });
        return command;
    }

    static Command Remove(Surroundings surroundings)
    {
        var user = UserArgument();
        var command = new Command("remove", "Remove a user with all keys and tokens") { user };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            await client.DeleteAsync($"api/v1/users/{Uri.EscapeDataString(parsed.GetRequiredValue(user))}", ct);
            await surroundings.SayAsync($"{parsed.GetValue(user)} is gone, with all keys and tokens.");
            return Exit.Done;
        });
        return command;
    }

    static Command Able(Surroundings surroundings, string verb, bool disabled)
    {
        var user = UserArgument();
        var command = new Command(verb, disabled ? "Let none of a user's credentials in" : "Let a disabled user in again") { user };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var changed = await client.SendAsync(
                HttpMethod.Patch, $"api/v1/users/{Uri.EscapeDataString(parsed.GetRequiredValue(user))}", new UserChange(Disabled: disabled), ContractJson.Default.UserChange, ContractJson.Default.UserSummary, ct);
            await surroundings.SayAsync(changed!, ContractJson.Default.UserSummary, $"{changed!.Name} is {(changed.Disabled ? "disabled" : "active")}.");
            return Exit.Done;
        });
        return command;
    }

    static Command Password(Surroundings surroundings)
    {
        var user = UserArgument();
        var none = new Option<bool>("--none") { Description = "Take the password away" };
        var command = new Command("password", "Set a user's password to what the variable PAAS_PASSWORD holds") { user, none };
        command.SetAction(async (parsed, ct) =>
        {
            // A password must not stand where everybody on the machine reads command lines.
            var password = parsed.GetValue(none) ? null : surroundings.Variable("PAAS_PASSWORD") ?? throw new CorpusException(Exit.Usage, "set the variable PAAS_PASSWORD to the new password, or give --none.");
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            await client.SendAsync(
                HttpMethod.Put, $"api/v1/users/{Uri.EscapeDataString(parsed.GetRequiredValue(user))}/password", new PasswordOrder(password), ContractJson.Default.PasswordOrder, ContractJson.Default.UserSummary, ct);
            await surroundings.SayAsync(password is null ? $"{parsed.GetValue(user)} has no password." : $"{parsed.GetValue(user)} has a new password.");
            return Exit.Done;
        });
        return command;
    }

    static Command Role(Surroundings surroundings, string verb, string description)
    {
        var (user, role) = (UserArgument(), RoleArgument());
        var command = new Command(verb, description) { user, role };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, null, surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var where = parsed.GetValue<string?>(CommandLine.EnvironmentOption);
            var path = $"api/v1/users/{Uri.EscapeDataString(parsed.GetRequiredValue(user))}/roles/{Uri.EscapeDataString(parsed.GetRequiredValue(role))}{(where is null ? "" : "?environment=" + Uri.EscapeDataString(where))}";
            if (verb == "give")
            {
                await client.PutAsync(path, ContractJson.Default.UserSummary, ct);
            }
            else
            {
                await client.DeleteAsync(path, ct);
            }

            await surroundings.SayAsync($"{parsed.GetValue(user)} {(verb == "give" ? "is" : "is no longer")} {parsed.GetValue(role)} {(where is null ? "everywhere" : $"in {where}")}.");
            return Exit.Done;
        });
        return command;
    }

    static Command Roles(Surroundings surroundings)
    {
        var command = new Command("roles", "The roles, and what each allows");
        command.SetAction((parsed, ct) => Listing.ShowAsync(
            parsed, "roles", ContractJson.Default.PageRoleSummary, ["ROLE", "PERMISSIONS"], role => [role.Name, string.Join(' ', role.Permissions)], surroundings, ct));
        return command;
    }

    static Command PutRole(Surroundings surroundings)
    {
        var role = RoleArgument();
        var permissions = new Argument<string[]>("permissions") { Description = "What it is to allow; nothing removes the role", HelpName = "PERMISSION", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("role", "Make a role or change what it allows") { role, permissions };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var (path, allowed) = ($"api/v1/roles/{Uri.EscapeDataString(parsed.GetRequiredValue(role))}", parsed.GetValue(permissions) ?? []);
            if (allowed.Length == 0)
            {
                await client.DeleteAsync(path, ct);
                await surroundings.SayAsync($"{parsed.GetValue(role)} is no role any more.");
                return Exit.Done;
            }

            var put = await client.SendAsync(HttpMethod.Put, path, new RoleOrder(allowed), ContractJson.Default.RoleOrder, ContractJson.Default.RoleSummary, ct);
            await surroundings.SayAsync(put!, ContractJson.Default.RoleSummary, $"{put!.Name}: {string.Join(' ', put.Permissions)}");
            return Exit.Done;
        });
        return command;
    }

    static Argument<string> UserArgument() => new("user") { Description = "A user's name", HelpName = "USER" };

    static Argument<string> RoleArgument() => new("role") { Description = "A role's name", HelpName = "ROLE" };
}
