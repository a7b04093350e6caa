using System.CommandLine;
using System.CommandLine.Help;
using System.Text;

namespace Paas.Corpus;

/// <summary>The manual page corpus(1), made of the same texts as <c>--help</c>, so that the two never differ.</summary>
static class ManPage
{
    public static string Of(Command root)
    {
        var page = new StringBuilder();
        page.Append(".\\\" Made by: corpus man\n.TH CORPUS 1 \"\" \"Paas.Receiver\" \"User Commands\"\n.nh\n.ad l\n");
        Section("NAME");
        page.Append("corpus \\- projects on a receiver of pushes\n");
        Section("SYNOPSIS");
        page.Append(".B corpus\n.I COMMAND\n.RI [ ARGUMENT \" ...] [\" OPTION \" ...]\"\n");
        Section("DESCRIPTION");
        page.Append("A receiver turns\n.B git push\ninto a running, archived, reversible release.\n.B corpus\nasks it for everything else. The same commands are understood by its ssh.\n.PP\n")
            .Append("Which receiver, with which token, and which project: what is typed counts before the environment, that before the directory's git remote, that before the settings file.\n");
        Section("OPTIONS");
        root.Options.Where(option => option is { Recursive: true, Hidden: false } && option is not HelpOption).ToList().ForEach(Option);
        Section("COMMANDS");
        foreach (var verb in root.Subcommands.Where(verb => !verb.Hidden))
        {
            Verb(verb, "corpus");
        }

        Section("FILES");
        Item("~/.makinastates.conf", "Receivers by nickname, each with \"url\", \"id\" and \"password\" (a token). Nobody else may be able to read it: chmod 600.");
        Section("ENVIRONMENT");
        Item("PAAS_URL", "The receiver, where --endpoint is not given.");
        Item("PAAS_TOKEN", "The token.");
        Item("PAAS_PASSWORD", "The password that users password and domains add --user set.");
        Item("PAAS_RELEASES_TOKEN", "What --releases-from is let in with at another receiver.");
        Section("EXIT STATUS");
        foreach (var (code, meaning) in (ReadOnlySpan<(string, string)>)[("0", "done"), ("1", "refused or failed"), ("2", "not understood"), ("3", "the receiver is not reachable"), ("4", "not allowed")])
        {
            Item(code, meaning);
        }

        Section("SEE ALSO");
        page.Append(".BR git\\-push (1),\n.BR ssh (1)\n");
        return page.ToString();

        void Section(string name) => page.Append(".SH \"").Append(name).Append("\"\n");

        void Item(string tag, string text) => page.Append(".TP\n.B \"").Append(Roff(tag)).Append("\"\n").Append(Line(text)).Append('\n');

        void Option(Option option)
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name).OrderBy(name => name.Length).Distinct());
            Item(option.Arity.MaximumNumberOfValues == 0 || option.ValueType == typeof(bool) ? names : $"{names} {option.HelpName ?? "VALUE"}", option.Description ?? "");
        }

        void Verb(Command verb, string above)
        {
            var name = $"{above} {verb.Name}";
            page.Append(".SS \"").Append(Roff(string.Join(' ', verb.Arguments.Where(argument => !argument.Hidden).Select(Written).Prepend(name)))).Append("\"\n").Append(Line(verb.Description ?? "")).Append('\n');
            foreach (var argument in verb.Arguments.Where(argument => argument is { Hidden: false, Description.Length: > 0 }))
            {
                Item(argument.HelpName ?? argument.Name, argument.Description!);
            }

            verb.Options.Where(option => !option.Hidden && option is not HelpOption).ToList().ForEach(Option);
            foreach (var below in verb.Subcommands.Where(below => !below.Hidden))
            {
                Verb(below, name);
            }
        }
    }

    static string Written(Argument argument)
    {
        var name = argument.HelpName ?? argument.Name;
        return argument.Arity.MinimumNumberOfValues > 0 || name.Contains('[', StringComparison.Ordinal) ? argument.Arity.MaximumNumberOfValues > 1 && !name.Contains(' ', StringComparison.Ordinal) ? $"{name} ..." : name : $"[{name}]";
    }

    /// <summary>A text of its own line: a dot or a quote in front would be a request to the formatter.</summary>
    static string Line(string text) => text is ['.' or '\'', ..] ? "\\&" + Roff(text) : Roff(text);

    static string Roff(string text) => text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal).Replace("\"", "\\(dq", StringComparison.Ordinal)
        .Replace("→", "\\(->", StringComparison.Ordinal).Replace("…", "...", StringComparison.Ordinal).Replace('\n', ' ');
}
